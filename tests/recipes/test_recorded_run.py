"""A run is done at its last step and its model, and its error is the one its ranks left."""

import pytest
from omegaconf import OmegaConf

from recipes import recorded_run, run_record, stopping
from recipes.launch import RankFailed
from tests.recipes.test_training import leave_record


def test_what_a_diverging_rank_left_is_the_error_of_the_command(tmp_path) -> None:
    def train() -> None:
        stopping.diverged(tmp_path, "at step 7 the loss is nan", tmp_path / "step=4-last", [])
        raise RankFailed("Rank 1 of 2 ended with exit code 1")

    with pytest.raises(stopping.Diverged, match="at step 7 the loss is nan") as raised:
        recorded_run._train_or_diverge(tmp_path, train)
    assert raised.value.exit_code == 1
    assert f"last good checkpoint: {tmp_path / 'step=4-last'}" in raised.value.where


def test_another_failure_of_a_rank_stays_its_own(tmp_path) -> None:
    def train() -> None:
        raise RankFailed("Rank 1 of 2 ended with exit code 1")

    with pytest.raises(RankFailed):
        recorded_run._train_or_diverge(tmp_path, train)


def test_a_run_is_done_only_at_its_last_step(tmp_path) -> None:
    settings = OmegaConf.create(
        {"trainer": {"max_steps": 3}, "exp_manager": {"explicit_log_dir": str(tmp_path), "name": "megatron_gpt"}}
    )
    leave_record(tmp_path)
    record = run_record.read(tmp_path)
    metrics = tmp_path / run_record.METRICS_NAME
    metrics.write_text('{"step": 0, "time": 1, "reduced_train_loss": 7.0}\n')
    model = tmp_path / "checkpoints" / "megatron_gpt.nemo"
    model.parent.mkdir()
    model.touch()
    assert recorded_run._finish(record, settings, 1.0).status == "running"
    metrics.write_text('{"step": 2, "time": 1, "reduced_train_loss": 7.0}\n')
    assert recorded_run._finish(record, settings, 1.0).status == "done"
    model.unlink()
    assert recorded_run._finish(record, settings, 1.0).status == "running"


def test_steps_behind_the_last_logged_line_are_told_by_the_last_checkpoint(tmp_path) -> None:
    (tmp_path / "checkpoints" / "megatron_gpt--val_loss=7.83-step=10-consumed_samples=40.0-last").mkdir(parents=True)
    assert recorded_run._steps_done("cpt", tmp_path, [(3, 8.0), (9, 7.8)]) == 10
    assert recorded_run._steps_done("cpt", tmp_path, [(12, 7.8)]) == 12
    assert recorded_run._steps_done("cpt", tmp_path / "none", []) == 0
