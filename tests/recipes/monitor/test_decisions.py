"""What a reading means, with written-out numbers."""

import math

import pytest

from recipes.monitor.decisions import (
    Baseline,
    changes_in,
    expected_share,
    is_raised,
    raised,
    reading,
    summary,
    too_dear,
)
from recipes.monitor.settings import Alarm, MonitorSettings
from recipes.monitor.windows import Curve

CURVES = [
    Curve(name="a.en-Latn.real", members=(0,), tokens=10, text_bytes=40, digest="1"),
    Curve(name="b.en-Latn.real", members=(1,), tokens=30, text_bytes=60, digest="2"),
    Curve(name="en-Latn", members=(0, 1), tokens=40, text_bytes=100, digest="12"),
]
NATS = [math.log(2) * 80, math.log(2) * 120]


def test_loss_is_by_token_and_bits_by_byte_and_the_first_reading_is_the_baseline() -> None:
    metrics = reading(NATS, CURVES, {})
    assert metrics["monitor/loss/a.en-Latn.real"] == pytest.approx(8 * math.log(2))
    assert metrics["monitor/bits_per_byte/a.en-Latn.real"] == pytest.approx(2.0)
    assert metrics["monitor/bits_per_byte/en-Latn"] == pytest.approx(2.0)
    assert metrics["monitor/loss/en-Latn"] == pytest.approx(5 * math.log(2))
    assert [value for key, value in metrics.items() if key.startswith("monitor/change/")] == [0.0, 0.0, 0.0]


def test_change_is_per_cent_of_the_baseline() -> None:
    baselines = {"a.en-Latn.real": Baseline(bits_per_byte=1.6, step=0, digest="1")}
    metrics = reading(NATS, CURVES, baselines)
    assert metrics["monitor/change/a.en-Latn.real"] == pytest.approx(25.0)
    assert metrics["monitor/change/b.en-Latn.real"] == 0.0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([0.0, 2.1, 2.5, 3.0], True),
        ([0.0, 2.1, 2.5], False),  # the baseline is a reading too, and not above itself
        ([0.0, 9.0, 9.0, 1.9, 2.1, 2.1], False),  # one reading below starts the count anew
        ([0.0, 2.0, 2.0, 2.0], False),  # at the limit is not above it
        ([0.0, 1.0, math.nan, 3.0, math.inf], True),  # no number is no all-clear
        ([], False),
    ],
)
def test_an_alarm_waits_for_three_readings_in_a_row(changes, expected) -> None:
    assert is_raised(Alarm(watch="en-Latn", increase=2.0, readings=3), changes) is expected


def test_an_alarm_watches_its_curve_alone() -> None:
    alarms = [Alarm(watch="en-Latn", increase=2.0), Alarm(watch="hi-Deva", increase=2.0), Alarm(watch="x", increase=0)]
    assert raised(alarms, {"en-Latn": [0.0, 5.0], "hi-Deva": [0.0, -5.0]}) == alarms[:1]


METRICS = [
    {"step": -1, "monitor/bits_per_byte/en-Latn": 2.0, "monitor/change/en-Latn": 0.0, "monitor/seconds": 1.5},
    {"step": 0, "reduced_train_loss": 7.0},
    {
        "step": 3,
        "monitor/bits_per_byte/en-Latn": 2.1,
        "monitor/change/en-Latn": 5.0,
        "monitor/seconds": 0.5,
        "monitor/share": 0.02,
    },
]


def test_changes_are_read_back_from_the_metrics_of_a_run() -> None:
    assert changes_in(METRICS) == {"en-Latn": [0.0, 5.0]}


def test_a_run_record_says_baseline_last_and_change() -> None:
    assert summary(METRICS) == {
        "readings": 2,
        "last_step": 4,
        "seconds": 2.0,
        "share": 0.02,
        "curves": {"en-Latn": {"baseline": pytest.approx(2.0), "last": 2.1, "change_percent": 5.0}},
    }
    assert summary(METRICS[1:2]) is None


def test_the_expected_share_counts_a_forward_pass_as_a_third_of_a_step() -> None:
    assert expected_share(sequences=30, every_n_steps=10, global_batch_size=99) == pytest.approx(0.01)
    assert expected_share(sequences=128, every_n_steps=100, global_batch_size=1152) == pytest.approx(3.7e-4, rel=0.01)


def test_a_monitor_that_costs_too_much_is_told_how_to_cost_less() -> None:
    settings = MonitorSettings(every_n_steps=100, sequences=32, max_share=0.05)
    assert too_dear(0.05, settings) is None
    # 1/4 of the time is 1/3 of the steps' time; 1/20 is 1/19 of it: 19/3 times rarer
    assert too_dear(0.25, settings) == (
        "readings take 25.0 % of the time, more than max_share 5 %: "
        "langadapt.monitor.every_n_steps=634 or langadapt.monitor.sequences=5"
    )
    assert too_dear(0.9, MonitorSettings(sequences=1)).endswith("every_n_steps=85500")
