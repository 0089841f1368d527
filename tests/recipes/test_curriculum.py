"""Phases are configurations of their own, and what does not fit is said before anything starts."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from data_prep.errors import DataError, UsageError
from recipes import curriculum
from recipes.curriculum import Part, Phase
from recipes.run_record import RunRecord
from recipes.run_settings import run_settings
from tests.conftest import CONFIGS

CONFIG = CONFIGS / "cpt" / "tiny.yaml"
FRAGMENT = """
model:
  data: {{data_prefix: {{train: [1.0, {name}], validation: [{name}], test: [{name}]}}, splits_string: null}}
  tokenizer: {{library: sentencepiece, model: tokenizer.model}}
"""
MAIN = Phase(name="main", steps=8, min_lr=2e-5)
ANNEAL = Phase(name="anneal", steps=2, lr=2e-5, min_lr=1e-7, warmup_steps=0)


@pytest.fixture
def parts_of(tmp_path):
    """The parts of phases of a run of ten steps; `blends` exist beside it."""
    for name in ("run", "better"):
        (tmp_path / f"{name}.yaml").write_text(FRAGMENT.format(name=name))
    configs, words = [CONFIG, tmp_path / "run.yaml"], [f"exp_manager.explicit_log_dir={tmp_path / 'out'}"]
    words += [
        "model.restore_from_path=base.nemo",
        "model.optim.sched.warmup_steps=1",
        "trainer.max_steps=10",
        "langadapt.phases=[]",
    ]

    def make(*phases):
        from recipes import config

        return curriculum.parts_of(phases, config.load(configs, words, "pretrain"), configs, words, "pretrain")

    return make


def test_a_phase_is_the_run_with_its_own_data_rate_steps_seed_and_folder(parts_of, tmp_path):
    main, anneal = parts_of(MAIN, replace(ANNEAL, blend=tmp_path / "better.yaml"))
    assert main.settings.model.data.data_prefix.train == [1.0, "run"]
    assert anneal.settings.model.data.data_prefix.train == [1.0, "better"]
    assert (main.settings.trainer.max_steps, anneal.settings.trainer.max_steps) == (8, 2)
    assert (main.settings.model.optim.lr, anneal.settings.model.optim.lr) == (1e-3, 2e-5)
    assert (main.settings.model.seed, anneal.settings.model.seed) == (1234, 1235)
    assert anneal.settings.exp_manager.explicit_log_dir == str(tmp_path / "out" / "phases" / "2") == str(anneal.folder)
    assert (main.fragments, anneal.fragments) == ([tmp_path / "run.yaml"], [tmp_path / "better.yaml"])
    assert curriculum.line(anneal).startswith("anneal: 2 steps, lr 2e-05 -> 1e-07, 0 warm-up, blend ")


def test_a_run_without_phases_has_no_parts(parts_of):
    assert parts_of() == []


def test_phases_are_read_from_the_yaml():
    phases = [{"name": "main", "steps": 8}, {"name": "anneal", "steps": 2, "blend": "b.yaml", "lr": 0.1}]
    settings = run_settings(OmegaConf.create({"langadapt": {"phases": phases}}))
    assert settings.phases == (Phase(name="main", steps=8), Phase(name="anneal", steps=2, blend=Path("b.yaml"), lr=0.1))


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"name": "main", "steps": 0}, "phase main has 0 steps"),
        ({"name": "", "steps": 1}, "a phase has an empty name"),
        ({"name": "main"}, "no value for phases.0.steps"),
        ({"name": "main", "steps": 1, "learning_rate": 1}, "unknown key 'learning_rate'"),
    ],
)
def test_a_phase_that_cannot_be_is_named(phase, message):
    with pytest.raises(UsageError, match=message):
        run_settings(OmegaConf.create({"langadapt": {"phases": [phase]}}))


def test_the_steps_of_the_phases_are_those_of_the_run(parts_of):
    with pytest.raises(UsageError, match=r"the phases have 11 steps \(8 \+ 3\), the run 10") as caught:
        parts_of(MAIN, replace(ANNEAL, steps=3))
    assert caught.value.fix == "trainer.max_steps=11"


def test_two_phases_of_one_name_are_refused(parts_of):
    with pytest.raises(UsageError, match="two phases are called main"):
        parts_of(MAIN, replace(ANNEAL, name="main"))


def test_a_blend_that_is_not_there_is_named_with_the_command_that_makes_it(parts_of):
    with pytest.raises(UsageError, match=r"the blend of phase anneal does not exist: none\.yaml") as caught:
        parts_of(MAIN, replace(ANNEAL, blend=Path("none.yaml")))
    assert "langadapt blend" in caught.value.fix
    assert "output=none.yaml" in caught.value.fix


def test_a_key_of_a_blend_that_nobody_reads_is_refused(parts_of, tmp_path):
    (tmp_path / "odd.yaml").write_text("model: {data: {data_prefixes: [a]}}\n")
    with pytest.raises(UsageError, match=r"unknown configuration key for pretrain: model\.data\.data_prefixes"):
        parts_of(MAIN, replace(ANNEAL, blend=tmp_path / "odd.yaml"))


def test_a_rate_that_leaps_up_without_warm_up_is_refused(parts_of):
    with pytest.raises(UsageError) as caught:
        parts_of(replace(MAIN, min_lr=1e-6), ANNEAL)
    assert "phase anneal starts at a learning rate of 2e-05, 20 times the 1e-06 that phase main ends" in str(
        caught.value
    )
    assert "min_lr: 2e-05 in phase main" in caught.value.fix
    assert "warmup_steps: 1 in phase anneal" in caught.value.fix
    assert len(parts_of(replace(MAIN, min_lr=1e-6), replace(ANNEAL, warmup_steps=1))) == 2


def test_sft_and_dpo_have_no_phases(parts_of):
    (main,) = parts_of(replace(MAIN, steps=10))
    with pytest.raises(UsageError, match="phases in a configuration of sft"):
        curriculum.parts_of([MAIN], main.settings, [CONFIG], [], "sft")


def leave_checkpoint(part: Part, step: int) -> Path:
    path = part.folder / "checkpoints" / f"megatron_gpt--val_loss=1.00-step={step}-consumed_samples=8.0-last"
    path.mkdir(parents=True)
    return path


def test_a_phase_starts_from_the_last_checkpoint_of_the_one_before(parts_of):
    main, anneal = parts_of(MAIN, ANNEAL)
    assert curriculum.started(main, None).model.restore_from_ckpt is None
    last = leave_checkpoint(main, 8)
    assert curriculum.started(anneal, main).model.restore_from_ckpt == str(last)
    assert anneal.settings.model.restore_from_ckpt is None


def test_a_phase_before_without_its_last_checkpoint_is_an_error(parts_of):
    main, anneal = parts_of(MAIN, ANNEAL)
    with pytest.raises(DataError, match="the checkpoint of step 8 of phase main; there is none") as caught:
        curriculum.started(anneal, main)
    assert str(main.folder) in caught.value.fix
    path = leave_checkpoint(main, 6)
    with pytest.raises(DataError, match="there is one of step 6"):
        curriculum.started(anneal, main)
    path.with_name(f"{path.name}-unfinished").touch()
    with pytest.raises(DataError, match="there is none"):
        curriculum.started(anneal, main)


def test_the_checkpoints_of_a_phase_before_may_go_when_the_next_has_its_own(parts_of):
    main, anneal = parts_of(MAIN, ANNEAL)
    leave_checkpoint(anneal, 1)
    assert curriculum.started(anneal, main) is anneal.settings


def leave_record(part: Part, **values) -> None:
    model = part.folder / "checkpoints" / "megatron_gpt.nemo"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.touch()
    fields = {"stage": "cpt", "status": "done", "identity": "", "config": {}, "inputs": {}, "layout": {}, "ground": {}}
    RunRecord(**{**fields, "git": {}, "model": str(model), **values}).write(part.folder)


def test_what_is_done_is_passed_over_and_a_switch_names_what_comes(parts_of, monkeypatch):
    main, anneal = parts = parts_of(MAIN, ANNEAL)
    assert curriculum.to_do(parts) == parts
    leave_record(main)
    assert curriculum.to_do(parts) == [anneal]
    monkeypatch.setenv(curriculum.NUMBER, "1")
    assert curriculum.to_do(parts) == parts
    monkeypatch.delenv(curriculum.NUMBER)
    leave_checkpoint(main, 8)
    with curriculum.named(anneal):
        assert curriculum.current(main.settings, parts).trainer.max_steps == 2
    assert curriculum.NUMBER not in os.environ
    assert curriculum.current(main.settings, []) is main.settings


def test_the_record_of_the_run_sums_up_those_of_its_phases(parts_of):
    main, anneal = parts = parts_of(MAIN, ANNEAL)
    whole = RunRecord(stage="cpt", status="running", identity="", config={}, inputs={}, layout={}, ground={}, git={})
    assert curriculum.summary(whole, parts).status == "running"
    leave_record(main, steps=8, first_loss=3.0, last_loss=2.0, seconds=5.0)
    half = curriculum.summary(whole, parts)
    assert (half.status, half.steps, half.model, len(half.phases)) == ("running", 8, None, 1)
    leave_record(anneal, steps=2, first_loss=1.9, last_loss=1.5, seconds=2.5)
    done = curriculum.summary(whole, parts)
    assert (done.status, done.steps, done.first_loss, done.last_loss, done.seconds) == ("done", 10, 3.0, 1.5, 7.5)
    assert [phase["name"] for phase in done.phases] == ["main", "anneal"]
    assert done.model == str(anneal.folder / "checkpoints" / "megatron_gpt.nemo")
