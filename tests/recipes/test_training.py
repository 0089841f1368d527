"""A run folder belongs to one run: the same run is continued or skipped, another one is refused."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from recipes import cli, config, run_identity, run_record, stopping, training
from recipes.run_record import RunRecord
from tests.conftest import CONFIGS

SETTINGS = {
    "trainer": {"devices": 1, "max_steps": 10},
    "model": {"tensor_model_parallel_size": 1, "data": {"data_prefix": [0.7, "a", 0.3, "b"]}},
    "exp_manager": {"explicit_log_dir": "here"},
}


def changed(**values):
    settings = OmegaConf.create(SETTINGS)
    for key, value in values.items():
        OmegaConf.update(settings, key.replace("__", "."), value)
    return settings


def test_the_layout_is_not_part_of_a_runs_identity() -> None:
    other = changed(trainer__devices=2, model__tensor_model_parallel_size=2, exp_manager__explicit_log_dir="there")
    assert run_identity.identity(changed(), {}) == run_identity.identity(other, {})


def test_what_a_plan_assumed_is_not_part_of_it() -> None:
    plans = [changed(langadapt={"plan": {"vocabulary": size}}) for size in (100, 200)]
    assert len({run_identity.identity(plan, {}) for plan in plans}) == 1


def test_watching_a_run_does_not_make_it_another_one() -> None:
    watched = changed(langadapt__monitor={"sets": ["a"], "every_n_steps": 5})
    assert run_identity.identity(watched, {}) == run_identity.identity(changed(), {})
    before, after = (OmegaConf.to_container(settings) for settings in (changed(), watched))
    assert run_identity.differences(before, after) == []
    other = changed(langadapt={"some": 1})
    assert run_identity.identity(other, {}) != run_identity.identity(changed(), {})


def test_steps_and_inputs_are_part_of_it() -> None:
    same = run_identity.identity(changed(), {"a.bin": "1"})
    assert run_identity.identity(changed(trainer__max_steps=11), {"a.bin": "1"}) != same
    assert run_identity.identity(changed(), {"a.bin": "2"}) != same


def test_a_moved_input_is_the_same_input() -> None:
    moved = changed(model__data__data_prefix=[0.7, "elsewhere/a", 0.3, "elsewhere/b"])
    reweighted = changed(model__data__data_prefix=[0.6, "a", 0.4, "b"])
    here = run_identity.identity(changed(), {"a": "1"})
    assert run_identity.identity(moved, {"elsewhere/a": "1"}) == here
    assert run_identity.identity(reweighted, {"a": "1"}) != here


@pytest.mark.parametrize(
    "data_prefix",
    ["{folder}/a", [0.7, "{folder}/a", 0.3, "{folder}/b"], {"train": [1.0, "{folder}/a"], "validation": "{folder}/b"}],
)
def test_every_form_of_data_prefix_is_read(tmp_path, data_prefix) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.idx").write_text(name)
    settings = OmegaConf.create({"model": {"data": {"data_prefix": data_prefix}}})
    text = OmegaConf.to_yaml(settings).replace("{folder}", str(tmp_path))
    paths = run_identity.input_hashes(OmegaConf.create(text))
    assert str(tmp_path / "a.idx") in paths


def test_a_receipt_stands_for_its_dataset(tmp_path) -> None:
    (tmp_path / "a.idx").write_text("big")
    (tmp_path / "a.receipt.json").write_text("{}")
    settings = OmegaConf.create({"model": {"data": {"data_prefix": [1.0, str(tmp_path / "a")]}}})
    assert list(run_identity.input_hashes(settings)) == [str(tmp_path / "a.receipt.json")]


def test_differences_name_the_keys() -> None:
    before, after = (OmegaConf.to_container(settings) for settings in (changed(), changed(trainer__max_steps=20)))
    assert run_identity.differences(before, after) == ["trainer.max_steps"]


@pytest.fixture
def pretrain_words(prepared, tmp_path) -> list[str]:
    return [
        "pretrain",
        str(CONFIGS / "cpt" / "tiny_base.yaml"),
        str(prepared.blend),
        f"exp_manager.explicit_log_dir={tmp_path / 'run'}",
    ]


def test_a_dry_run_checks_prints_and_starts_nothing(pretrain_words, tmp_path, capsys) -> None:
    assert cli.main([*pretrain_words, "--dry-run"]) == 0
    assert "tensor 1 x pipeline 1 x data 1" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def leave_record(folder: Path, **values) -> None:
    record = {"identity": "of another run", "config": {"trainer": {"max_steps": 5}}, "status": "running"}
    RunRecord(**{"stage": "pretrain", "inputs": {}, "layout": {}, "ground": {}, "git": {}, **record, **values}).write(
        folder
    )


def resolved(words: list[str]) -> dict:
    """The config of a pretrain command, as a run records it."""
    _, first, fragment, *overrides = words
    return OmegaConf.to_container(config.load([Path(first), Path(fragment)], overrides, "pretrain"), resolve=True)


def test_a_folder_of_another_run_is_refused(pretrain_words, tmp_path, capsys) -> None:
    cfg = config.load(
        [Path(pretrain_words[1]), Path(pretrain_words[2])], [*pretrain_words[3:], "model.seed=7"], "pretrain"
    )
    leave_record(tmp_path / "run", config=OmegaConf.to_container(cfg, resolve=True))
    assert cli.main(pretrain_words) == 2
    message = capsys.readouterr().err
    assert "The run folder holds a pretrain run of another config or other inputs; changed: model.seed." in message
    assert f"exp_manager.explicit_log_dir={tmp_path / 'run'}-2" in message
    assert run_record.read(tmp_path / "run").identity == "of another run"


def test_a_run_with_another_schedule_is_told_what_upstream_would_do(pretrain_words, tmp_path, capsys) -> None:
    leave_record(tmp_path / "run", config=resolved(pretrain_words))
    assert cli.main([*pretrain_words, "trainer.max_steps=220"]) == 2
    message = capsys.readouterr().err
    assert "holds a pretrain run with another schedule: trainer.max_steps 200 -> 220" in message
    assert "all steps after 200 would train at min_lr 0.0002" in message


def test_a_run_that_goes_on_under_another_layout_is_checked_for_it(pretrain_words, tmp_path, capsys) -> None:
    before = resolved(pretrain_words)
    cfg = OmegaConf.create(before)
    same = run_identity.identity(cfg, run_identity.input_hashes(cfg))
    leave_record(tmp_path / "run", config=before, identity=same)
    two = ["trainer.devices=2", "model.tensor_model_parallel_size=2", "model.make_vocab_size_divisible_by=384"]
    assert cli.main([*pretrain_words, *two]) == 2
    assert "in the run's checkpoints to" in capsys.readouterr().err


def test_checkpoints_without_a_record_are_not_resumed(pretrain_words, tmp_path, capsys) -> None:
    (tmp_path / "run" / "checkpoints" / "a-step=8-last").mkdir(parents=True)
    assert cli.main(pretrain_words) == 2
    assert "The run folder holds checkpoints but no run record." in capsys.readouterr().err


def test_a_run_that_was_asked_to_stop_exits_with_its_own_code(pretrain_words, tmp_path, monkeypatch, capsys) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr(training, "train_rank", lambda *_: stopping.obeyed(folder, "SIGUSR2"))
    assert cli.main(pretrain_words) == 75
    message = capsys.readouterr().err
    assert "The run stopped after 0 of 200 steps, asked by SIGUSR2." in message
    assert "start the same command again" in message
    assert run_record.read(tmp_path / "run").status == "running"


def test_a_run_that_ends_early_without_a_word_says_no_reason(pretrain_words, tmp_path, monkeypatch, capsys) -> None:
    stopping.obeyed(tmp_path / "run", "SIGTERM")  # what an earlier start has left
    monkeypatch.setattr(training, "train_rank", lambda *_: None)
    assert cli.main(pretrain_words) == 75
    assert "The run stopped after 0 of 200 steps.\n" in capsys.readouterr().err


def test_a_stop_file_that_no_run_obeyed_is_refused(pretrain_words, tmp_path, capsys) -> None:
    stop = tmp_path / "run" / "STOP"
    stop.parent.mkdir()
    stop.touch()
    assert cli.main(pretrain_words) == 2
    message = capsys.readouterr().err
    assert "A file STOP lies in the run folder." in message
    assert f"rm {stop}" in message
    assert stop.exists()


def test_the_rule_on_the_loss_may_change_between_two_starts(tmp_path) -> None:
    before = run_identity.identity(changed(), {})
    assert run_identity.identity(changed(langadapt__stop__max_loss_increase=4.0), {}) == before
    assert run_identity.identity(changed(langadapt__other=1), {}) != before


def test_cpt_without_a_checkpoint_is_refused(prepared, tmp_path, capsys) -> None:
    words = ["cpt", str(CONFIGS / "cpt" / "tiny_base.yaml"), str(prepared.blend)]
    assert cli.main([*words, f"exp_manager.explicit_log_dir={tmp_path}"]) == 2
    assert "No checkpoint to continue from." in capsys.readouterr().err


def test_pretrain_with_a_checkpoint_is_refused(pretrain_words, capsys) -> None:
    assert cli.main([*pretrain_words, "model.restore_from_path=some.nemo"]) == 2
    assert "`pretrain` starts from random weights" in capsys.readouterr().err
