"""Groups of pairs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.dedup.clusters import unite

SIZE = 12
edges = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=30)


@given(edges, st.integers(1, 5))
def test_union_find_gives_every_element_the_smallest_it_is_joined_with(pairs, files):
    """Checked against the definition, with the pairs coming in several files."""
    parents = np.arange(SIZE)
    for start in range(files):
        part = np.array(pairs[start::files], np.int64).reshape(-1, 2)
        unite(parents, part[:, 0], part[:, 1])
    expected = list(range(SIZE))
    for _ in range(SIZE):
        for left, right in pairs:
            expected[left] = expected[right] = min(expected[left], expected[right])
    assert parents.tolist() == expected
