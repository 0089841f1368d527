"""Packs hold whole examples, none twice, and no pack more than it may."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recipes.examples.packing import as_array, packs
from recipes.examples.tokens import Tokens


def test_the_longest_go_first_and_each_into_the_pack_it_fills_best() -> None:
    assert packs([4, 9, 6, 1, 3], 10) == [[1, 3], [2, 0], [4]]


def test_an_example_as_long_as_a_pack_has_one_of_its_own() -> None:
    assert packs([10, 10, 1], 10) == [[0], [1], [2]]


@given(st.lists(st.integers(1, 50)))
def test_every_example_is_in_one_pack_that_holds_it(lengths) -> None:
    made = packs(lengths, 50)
    assert sorted(index for pack in made for index in pack) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in pack) <= 50 for pack in made)
    assert len(made) <= 2 * -(-sum(lengths) // 50) + 1


def test_the_array_is_the_one_nemo_reads() -> None:
    examples = [
        Tokens(np.array([5, 6, 7], dtype=np.uint32), np.array([False, True, True])),
        Tokens(np.array([8, 9], dtype=np.uint32), np.array([False, True])),
    ]
    (row,) = as_array(examples, 3)
    assert row == {"input_ids": [5, 6, 7, 8, 9], "loss_mask": [0, 1, 1, 0, 1], "seq_start_id": [0, 3]}
