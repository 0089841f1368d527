"""The command line: help with a working example, user mistakes as one message and the right exit code."""

import subprocess
import sys

import pytest

from recipes import cli


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_shows_an_example_of_itself(name, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"example:\n  langadapt {name}" in capsys.readouterr().out


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; from recipes import cli; cli.parser(); print('torch' in sys.modules, 'yaml' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_an_unknown_verb_is_wrong_usage(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["trane"])
    assert stopped.value.code == 2
    assert "invalid choice: 'trane'" in capsys.readouterr().err


def test_a_missing_config_file_is_wrong_usage(capsys) -> None:
    assert cli.main(["cpt", "nowhere/cpt.yaml"]) == 2
    message = capsys.readouterr().err
    assert "nowhere/cpt.yaml does not exist." in message
    assert "fix:   ls nowhere" in message


def test_a_word_that_is_neither_file_nor_override_is_wrong_usage(capsys) -> None:
    assert cli.main(["blend", "tokens"]) == 2
    assert "'tokens' is neither a YAML file nor key=value." in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys) -> None:
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("recipes.doctor.main", interrupted)
    assert cli.main(["doctor"]) == 130
    assert "the same command continues where it stopped" in capsys.readouterr().err


def test_options_and_actions_become_overrides() -> None:
    arguments = cli.parser().parse_args(["demo", "--real-hi", "a.jsonl", "--workdir", "runs/x"])
    assert cli.as_overrides(cli.VERBS["demo"], arguments) == ["workdir=runs/x", "real_hi=a.jsonl"]
    arguments = cli.parser().parse_args(["convert", "to-hf", "model=m.nemo"])
    assert cli.as_overrides(cli.VERBS["convert"], arguments) == ["action=to-hf"]


def test_overrides_that_delete_or_add_are_no_files() -> None:
    assert cli.split_arguments(["++a.b=1", "~c.d"]) == ([], ["++a.b=1", "~c.d"])
