"""Which stages of a pipeline run, and what its YAML may not say. `tests/launchers` runs one."""

from pathlib import Path

import pytest

from data_prep.errors import UsageError
from data_prep.settings import load
from recipes.submit import pipeline
from recipes.submit.pipeline import PipelineSettings, to_hold, to_submit
from tests.conftest import CONFIGS, REPOSITORY

CHAIN = {"data": (), "cpt": ("data",), "sft": ("cpt",), "convert": ("sft",), "eval": ("convert",)}


@pytest.mark.parametrize(
    ("done", "chosen"),
    [
        ([], ["data", "cpt", "sft", "convert", "eval"]),
        (["data", "cpt"], ["sft", "convert", "eval"]),
        (["data", "cpt", "sft", "convert", "eval"], []),
        (["data", "sft", "convert", "eval"], ["cpt", "sft", "convert", "eval"]),
    ],
)
def test_a_stage_runs_unless_it_and_all_before_it_are_done(done: list[str], chosen: list[str]) -> None:
    assert to_submit(CHAIN, done) == chosen


def test_what_stands_behind_a_chain_of_jobs_is_held_back() -> None:
    before = {"data": (), "cpt": ("data",), "sft": ("cpt",), "base_eval": ()}
    assert to_hold(before, ["data", "cpt", "sft", "base_eval"], ["cpt"]) == ["sft"]
    assert to_hold(before, ["data", "cpt", "sft", "base_eval"], list(before)) == ["cpt", "sft"]
    assert to_hold(before, ["sft"], list(before)) == []


def test_branches_do_not_wait_for_each_other() -> None:
    before = {"cpt": (), "sft": ("cpt",), "base_eval": (), "eval": ("sft", "base_eval")}
    assert to_submit(before, ["cpt", "sft"]) == ["base_eval", "eval"]


def test_a_stage_waits_for_the_one_above_it_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("folder: x\nstages:\n  a: {submit: data}\n  b: {submit: cpt}\n  c: {submit: eval, after: [a]}\n")
    told = load(PipelineSettings, [path])
    assert [told.before(name) for name in "abc"] == [(), ("a",), ("a",)]


def test_a_stage_cannot_wait_for_one_below_it(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("folder: x\nstages:\n  a: {submit: data, after: [b]}\n  b: {submit: cpt}\n")
    with pytest.raises(UsageError, match="stage a comes after b, which is not above it"):
        load(PipelineSettings, [path])


def test_a_file_that_nobody_writes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"folder: {tmp_path}\nstages:\n  cpt:\n    submit: cpt\n"
        f"    configs: [{CONFIGS / 'cpt' / 'tiny.yaml'}, {tmp_path / 'blend.yaml'}]\n"
        f"    overrides: [exp_manager.explicit_log_dir={tmp_path / 'run'}, model.restore_from_path=x]\n"
    )
    with pytest.raises(UsageError, match=r"blend.yaml does not exist, and no stage above cpt writes it"):
        pipeline.run([path], [], [], dry_run=True)


@pytest.mark.parametrize(
    ("name", "words", "jobs"),
    [
        ("tiny", [], 10),
        ("hindi_4b", ["values.base=/x/base.nemo", f"values.data_config={CONFIGS / 'data' / 'sample.yaml'}"], 8),
    ],
)
def test_the_shipped_pipelines_can_be_printed(
    name: str, words: list[str], jobs: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    config = CONFIGS / "pipeline" / f"{name}.yaml"
    assert pipeline.run([config], [f"folder={tmp_path}", *words], [], dry_run=True) == 0
    text = capsys.readouterr().out
    assert text.count("#!/bin/bash") == jobs
    assert "# ---- cpt after blend" in text
    assert "# ---- eval after convert_base, convert\n" in text
    assert list(tmp_path.iterdir()) == []
