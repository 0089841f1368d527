"""`doctor` names what is wrong and the command that mends it."""

import importlib.metadata

import pytest

from recipes import cli, doctor
from recipes.runtime import ground


def test_a_sound_environment_is_ready(capsys) -> None:
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "ready" in shown
    for part in ("python", "torch", "nemo-toolkit", "megatron-core", "nemo-aligner", "apex", "transformer engine"):
        assert part in shown


@pytest.fixture
def newer_megatron(monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.11.0" if name == "megatron-core" else real(name))


def test_a_wrong_megatron_core_is_named_with_its_remedy(newer_megatron, capsys) -> None:
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "0.11.0" in shown
    assert "requirements/nemo.txt" in shown
    assert "a run would not start" in shown


def test_a_run_refuses_a_wrong_megatron_core_by_name(newer_megatron) -> None:
    with pytest.raises(ground.EnvironmentMismatch) as refused:
        ground.check_pins()
    assert "megatron-core 0.11.0 (needs 0.10.0)" in str(refused.value)
    assert "make setup" in str(refused.value)


def test_pypis_apex_is_not_apex(monkeypatch) -> None:
    assert not ground.has_apex()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((), "container"),
        (("ngc_image",), "container"),
        (("torch_before_2.6",), "container"),
        (("apex",), "portable"),
        (("cuda", "transformer_engine"), "portable"),
    ],
)
def test_the_ground_is_chosen_by_what_is_there(missing, expected) -> None:
    assert ground.ground_name(missing) == expected


def test_pins_are_those_the_requirements_install() -> None:
    lines = (cli.Path(__file__).parents[2] / "requirements" / "nemo.txt").read_text().splitlines()
    installed = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert installed == ground.PINS


def test_rows_say_which_ground_a_run_takes() -> None:
    rows, broken = doctor.examine()
    assert not broken
    assert rows[-1][0] == "ground of a run"
