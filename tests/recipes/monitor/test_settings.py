"""Settings of the monitor that cannot be meant are refused where they are read."""

import pytest
from omegaconf import OmegaConf

from data_prep.errors import UsageError
from recipes.monitor.settings import Alarm
from recipes.run_settings import run_settings


def monitor(**values):
    return run_settings(OmegaConf.create({"langadapt": {"monitor": values}})).monitor


def test_alarms_are_read_from_yaml() -> None:
    (alarm,) = monitor(alarms=[{"watch": "en-Latn", "increase": 2, "readings": 3, "action": "stop"}]).alarms
    assert alarm == Alarm(watch="en-Latn", increase=2.0, readings=3, action="stop")
    assert str(alarm) == "en-Latn more than 2 % above its baseline for 3 readings in a row"
    assert str(Alarm(watch="x", increase=0.5)) == "x more than 0.5 % above its baseline for a reading"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"every_n_steps": 0}, "every_n_steps 0 is below 1"),
        ({"sequences": 0}, "sequences 0 is below 1"),
        ({"max_share": 0.0}, "max_share 0.0 is not between 0 and 1"),
        ({"sets": ["a/web.en-Latn.real_text_document", "b/web.en-Latn.real"]}, "two sets are named web.en-Latn.real"),
        ({"alarms": [{"watch": "en-Latn", "increase": -1.0}]}, "increase -1.0 is below 0"),
        ({"alarms": [{"watch": "en-Latn", "increase": 1.0, "readings": 0}]}, "readings 0 is below 1"),
        ({"alarms": [{"watch": "en-Latn", "increase": 1.0, "action": "stopp"}]}, "'stopp' is not one of warn, stop"),
        ({"alarms": [{"watch": "en-Latn"}]}, "no value for monitor.alarms.0.increase"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, message) -> None:
    with pytest.raises(UsageError, match=message):
        monitor(**values)
