"""Faults of tokenised examples, with written-out tokens."""

import numpy as np
import pytest

from recipes.examples.checked import fault_of
from recipes.examples.tokens import Tokens

EOD = 3


def tokens(ids: list[int], learnt_from: int, learnt_to: int | None = None) -> Tokens:
    places = np.arange(len(ids))
    end = len(ids) if learnt_to is None else learnt_to
    return Tokens(np.array(ids, dtype=np.uint32), (places >= learnt_from) & (places < end))


@pytest.mark.parametrize(
    ("texts", "limit", "eod_id", "fault"),
    [
        ([tokens([5, 6, 7, 8], 2)], 4, None, None),
        ([tokens([5, 6, 7, 8], 2)], 3, None, "too_long"),
        ([tokens([5, 6, 7, 8], 2)], 2, None, "nothing_to_learn"),
        ([tokens([5, 6], 2)], 4, None, "nothing_to_learn"),
        ([tokens([5, 6], 0, 1)], 4, None, "nothing_to_learn"),
        ([None], 4, None, "merged_prompt"),
        ([tokens([5, 6, 7], 2), None], 4, None, "merged_prompt"),
        ([tokens([5, 6, 7], 2), tokens([5, 6, 8], 2)], 4, None, None),
        ([tokens([5, 6, 7], 2), tokens([5, 6, 8, 9, 9], 2)], 4, None, "too_long"),
        ([tokens([5, 6, 7], 2), tokens([5, 6, 7], 2)], 4, None, "chosen_equals_rejected"),
        ([tokens([5, EOD, 7], 1)], 4, None, None),
        ([tokens([5, EOD, 7], 1)], 4, EOD, "eod_inside"),
        ([tokens([5, 7, EOD], 1)], 4, EOD, None),
        ([tokens([5, EOD, 7, 8, 9], 1)], 4, EOD, "eod_inside"),
    ],
)
def test_what_keeps_an_example_from_being_learnt(texts, limit, eod_id, fault) -> None:
    assert fault_of(texts, limit, eod_id) == fault
