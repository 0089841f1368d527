"""A run that an alarm stopped does not go on until its rule is changed."""

import json

import pytest
from omegaconf import OmegaConf

from recipes import run_record
from recipes.monitor.guard import Forgetting, refuse_standing_alarm


def rules(**values):
    alarm = {"watch": "en-Latn", "increase": 2.0, "readings": 2, "action": "stop", **values}
    return OmegaConf.create({"langadapt": {"monitor": {"alarms": [alarm]}}})


@pytest.fixture
def folder(tmp_path):
    """Readings at steps 0, 4 and 8, and the checkpoint of the last."""
    lines = [{"step": step - 1, "time": 0, "monitor/change/en-Latn": 0.5 * step} for step in (0, 8, 12)]
    metrics = tmp_path / run_record.METRICS_NAME
    metrics.parent.mkdir()
    metrics.write_text("\n".join(map(json.dumps, lines)))
    for step in (8, 12):
        (tmp_path / "checkpoints" / f"megatron_gpt--val_loss=7.0-step={step}-consumed_samples=1-last").mkdir(
            parents=True
        )
    return tmp_path


def test_a_standing_alarm_refuses_and_says_how_to_go_on(folder) -> None:
    with pytest.raises(Forgetting) as caught:
        refuse_standing_alarm(rules(), folder)
    error = caught.value
    assert error.exit_code == 1
    assert error.what == "Stopped by the forgetting monitor: en-Latn is +6.00 % from its baseline."
    assert "step=12-consumed_samples=1-last" in error.where
    assert "en-Latn more than 2 % above its baseline for 2 readings in a row" in error.why
    assert "'langadapt.monitor.alarms=[{watch:en-Latn,increase:2,readings:2,action:warn}]'" in error.fix


@pytest.mark.parametrize("changed", [{"action": "warn"}, {"increase": 5.0}, {"readings": 4}, {"watch": "hi-Deva"}])
def test_another_rule_goes_on(folder, changed) -> None:
    refuse_standing_alarm(rules(**changed), folder)


def test_a_run_without_readings_goes_on(tmp_path) -> None:
    refuse_standing_alarm(rules(), tmp_path)
