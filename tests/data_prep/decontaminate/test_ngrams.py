import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontaminate.ngrams import _BASE, rolling, word_run

uint64 = st.integers(0, 2**64 - 1)


@given(st.lists(uint64, max_size=30), st.integers(1, 13))
def test_every_length_has_the_polynomial_hash_of_its_words(values: list[int], longest: int) -> None:
    """Against the formula in Python's integers."""
    found = {length: hashes.tolist() for length, hashes in rolling(np.array(values, dtype="<u8"), longest)}
    assert sorted(found) == list(range(1, min(longest, len(values)) + 1))
    for length, hashes in found.items():
        for start, value in enumerate(hashes):
            expected = 0
            for word in values[start : start + length]:
                expected = (expected * int(_BASE) + word) % 2**64
            assert value == expected


def test_texts_are_joined_with_their_bounds() -> None:
    run = word_run([b"\1" + bytes(7) + b"\2" + bytes(7), b"", b"\3" + bytes(7)])
    assert run.hashes.tolist() == [1, 2, 3]
    assert run.offsets.tolist() == [0, 2, 2, 3]
    assert word_run([]).offsets.tolist() == [0]
