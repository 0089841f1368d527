"""The arithmetic of benchmarks/translate.py."""

import pytest

from benchmarks.translate import StandIn, overhead


def test_the_step_beside_the_engine_counts_whole_and_the_others_by_core():
    seconds = {"segments": 3.0, "translations": 1.0, "documents": 5.0}
    assert overhead(seconds, asked=100_000, rate=1000, cores=1) == pytest.approx(0.09)
    assert overhead(seconds, asked=100_000, rate=1000, cores=8) == pytest.approx(0.02)


def test_the_stand_in_keeps_placeholders():
    (text,) = StandIn().translate(["He saw <ID12> hills."])
    assert "<ID12>" in text
    assert not any(letter in text for letter in "Hesawhil")
