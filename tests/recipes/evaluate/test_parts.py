"""A bare word after the config runs a part of the verb, and none runs the evaluation itself."""

import os

import pytest

from recipes import cli, evaluate


@pytest.fixture
def part(tmp_path, monkeypatch):
    """A part `echo` in a module of its own, which prints what it is given."""
    (tmp_path / "echo_part.py").write_text(
        "def main(configs, overrides, *, dry_run):\n    print(configs, overrides, dry_run)\n    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(evaluate.PARTS, "echo", "echo_part")
    return tmp_path


def test_a_word_runs_its_part_with_the_other_settings(part, capsys):
    assert evaluate.main([part / "a.yaml"], ["stage=echo", "seed=1"], dry_run=True) == 7
    assert capsys.readouterr().out == f"[PosixPath('{part}/a.yaml')] ['seed=1'] True\n"


def test_the_command_line_knows_every_part():
    assert cli.VERBS["evaluate"].stages == tuple(evaluate.PARTS)


def test_an_evaluation_without_tasks_needs_no_hub(models, documents, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    config = tmp_path / "a.yaml"
    config.write_text("seq_length: 64\n")
    words = ["evaluate", str(config), f"model={models['base']}", f"output={tmp_path / 'e.json'}", "--dry-run"]
    assert cli.main([*words, "tasks=[sample]"]) == 0
    assert "HF_HUB_OFFLINE" not in os.environ, "tasks may read the hub"
    assert "on 0 held-out shards and 2 tasks; nothing was run" in capsys.readouterr().out
    assert cli.main([*words, f"documents={documents}"]) == 0
    assert os.environ["HF_HUB_OFFLINE"] == "1"
