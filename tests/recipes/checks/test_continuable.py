"""A configuration whose runs could not be continued, or would repeat samples, is refused."""

import pytest

from recipes.checks.continuable import check_resume
from tests.recipes.checks.conftest import refused

SCHEMAS = {"cpt": "pretrain", "sft": "sft", "dpo": "dpo"}


@pytest.mark.parametrize("folder", SCHEMAS)
def test_shipped_configurations_can_be_continued(tiny, folder):
    check_resume(tiny(folder, {"exp_manager.max_time_per_run": "00:03:45:00"}), SCHEMAS[folder])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exp_manager.create_checkpoint_callback", False),
        ("exp_manager.resume_if_exists", False),
        ("exp_manager.checkpoint_callback_params.save_last", False),
        ("exp_manager.checkpoint_callback_params.save_weights_only", True),
        ("exp_manager.checkpoint_callback_params.async_save", True),
    ],
)
def test_the_last_checkpoint_must_be_there_and_whole(tiny, key, value):
    error = refused(check_resume, tiny("cpt", {key: value}), "pretrain")
    assert "a stopped run could not be continued" in str(error)
    assert error.fix == f"{key}={str(not value).lower()}"


@pytest.mark.parametrize(("folder", "field"), [("cpt", "consumed_samples"), ("sft", "epoch"), ("dpo", "step")])
def test_a_checkpoints_name_says_how_far_the_run_has_come(tiny, folder, field):
    key = "exp_manager.checkpoint_callback_params.filename"
    name = "-".join(f"{{{part}}}" for part in ("step", "consumed_samples", "epoch") if part != field)
    error = refused(check_resume, tiny(folder, {key: name}), SCHEMAS[folder])
    assert f"the checkpoints' name holds no {field}" in str(error)
    assert "the same samples are trained on again" in error.why
    assert error.fix == f"{key}='{name}-{{{field}}}'"


@pytest.mark.parametrize("limit", ["4h", "03:45:00", "00:00:00:00"])
def test_a_time_limit_is_days_hours_minutes_seconds(tiny, limit):
    error = refused(check_resume, tiny("sft", {"exp_manager.max_time_per_run": limit}), "sft")
    assert f"exp_manager.max_time_per_run is {limit}" in str(error)
    assert "00:03:45:00 for 3 hours and 45 minutes" in error.fix


def test_a_limit_over_all_starts_is_refused(tiny):
    error = refused(check_resume, tiny("cpt", {"trainer.max_time": "01:00:00:00"}), "pretrain")
    assert "a run past it stops at every start" in error.why
    assert error.fix == "trainer.max_time=null exp_manager.max_time_per_run=01:00:00:00"
