"""Values that could not work are refused with what to write instead."""

import pytest

from data_prep.dedup.settings import DedupSettings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("threshold", 0.0, "threshold 0.0 is no similarity"),
        ("threshold", 1.5, "dedup.threshold=0.8 suits web text"),
        ("ngram", 0, "ngram 0 is not a number of words from 1 to 100"),
        ("ngram", 101, "dedup.ngram=5 suits running text"),
        ("documents_per_task", 0, "documents_per_task 0 leaves nothing to compare"),
    ],
)
def test_impossible_values_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        DedupSettings(**{name: value})
