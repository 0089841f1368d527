"""Keys reach the ranks, and nothing else: not the run folder, not Slurm."""

import os
import subprocess
from pathlib import Path

import pytest

from data_prep import secrets
from data_prep.errors import UsageError
from data_prep.secrets import Handed
from tests.slurm_cluster import cluster, needs_slurm

KEY = "wandb-v1-0f93e2a7c4d1+/=="


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (*secrets.NAMES, secrets.FILE_VARIABLE, "MT_KEY"):
        monkeypatch.delenv(name, raising=False)


def handed(run: Path, also: tuple[str, ...] = ()) -> Handed:
    found = secrets.hand_over(run, also)
    assert found is not None
    return found


def test_without_keys_nothing_is_written(tmp_path: Path) -> None:
    assert secrets.hand_over(tmp_path / "run") is None
    assert not (tmp_path / "config").exists()


def test_keys_lie_in_a_file_of_mode_600_in_a_folder_of_mode_700_outside_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("MT_KEY", "mt-secret-1")
    found = handed(tmp_path / "run", ("MT_KEY",))
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert found.path.parent.stat().st_mode & 0o777 == 0o700
    assert found.path.is_relative_to(tmp_path / "config")
    assert found.names == ("MT_KEY", "WANDB_API_KEY")
    assert found.path != handed(tmp_path / "other run").path
    assert KEY not in repr(found)


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys.env"
    file.write_text("# mine\n\nexport WANDB_API_KEY='from-the-file'\nHF_TOKEN=hf_file\n")
    file.chmod(0o600)
    monkeypatch.setenv("LANGADAPT_SECRETS", str(file))
    monkeypatch.setenv("HF_TOKEN", "hf_shell")
    assert secrets.collect() == {"WANDB_API_KEY": "from-the-file", "HF_TOKEN": "hf_shell"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "my keys"
    file.write_text(f"WANDB_API_KEY={KEY}\n")
    file.chmod(mode)
    with pytest.raises(UsageError) as raised:
        secrets.read(file)
    assert raised.value.what == f"the file of keys is open to others: its mode is {mode:o}"
    assert raised.value.fix == f"chmod 600 '{file}'"
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("line", [KEY, "WANDB_API_KEY=", "1KEY=x", "A B=x"])
def test_a_malformed_line_is_refused_by_its_number_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"HF_TOKEN=a\n{line}\n")
    file.chmod(0o600)
    with pytest.raises(UsageError) as raised:
        secrets.read(file)
    assert raised.value.where == f"{file}:2"
    assert KEY not in str(raised.value)


def test_a_missing_file_and_a_key_of_two_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no file of keys"):
        secrets.read(tmp_path / "none")
    monkeypatch.setenv("HF_TOKEN", "a\nBASH_ENV=/evil")
    with pytest.raises(UsageError, match="HF_TOKEN is more than one line"):
        secrets.hand_over(tmp_path)


def test_a_script_that_holds_a_key_is_refused_by_the_keys_name(tmp_path: Path) -> None:
    keys = Handed(path=tmp_path / "k", values={"MT_KEY": KEY, "SHORT": "true"})
    keys.refuse_in("echo true", "job.sbatch")
    with pytest.raises(UsageError) as raised:
        keys.refuse_in(f"langadapt prep translate.engine.endpoint.key={KEY}", "job.sbatch")
    assert raised.value.what == "the value of MT_KEY would be written into job.sbatch"
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "hf_token", "DB_PASSWORD", "KEY"])
def test_a_variable_of_a_site_file_that_is_called_a_key_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} among the variables of a site file"):
        secrets.refuse_in_settings({"NCCL_DEBUG": "INFO", name: "x"}, "cluster.slurm.environment")


def test_other_variables_of_a_site_file_are_fine() -> None:
    secrets.refuse_in_settings({"NCCL_DEBUG": "INFO", "TOKENIZERS_PARALLELISM": "false"}, "environment")


def test_the_file_goes_when_the_run_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_1")
    path = handed(tmp_path / "run").path
    secrets.forget(tmp_path / "run")
    secrets.forget(tmp_path / "run")
    assert not path.exists()


def test_a_job_whose_keys_are_gone_ends_with_a_word(tmp_path: Path) -> None:
    keys = Handed(path=tmp_path / "gone", values={"HF_TOKEN": "x"})
    done = subprocess.run(["bash", "-c", keys.script_lines()], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"the keys of this run are gone, submit it again: {tmp_path}/gone\n"


def test_a_job_that_submits_others_knows_and_hides_every_key_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text("OTHER_KEY=other-1\n")
    file.chmod(0o600)
    monkeypatch.setenv("LANGADAPT_SECRETS", str(file))
    given = handed(tmp_path / "driver")
    shell = f"{given.script_lines()}env"
    said = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout.splitlines()
    inside = dict(line.split("=", 1) for line in said if "=" in line)
    assert inside["OTHER_KEY"] == "other-1"
    for name in ("OTHER_KEY", "LANGADAPT_SECRETS"):
        monkeypatch.setenv(name, inside[name])
    with secrets.hidden(secrets.hand_over(tmp_path / "tasks")):
        assert not {"OTHER_KEY", "LANGADAPT_SECRETS"} & os.environ.keys()
    assert os.environ["OTHER_KEY"] == "other-1"


@needs_slurm
def test_a_key_reaches_every_rank_and_neither_the_run_folder_nor_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run = tmp_path / "run a"
    run.mkdir()
    keys = handed(run)
    script = run / "job.sbatch"
    rank = f"""sh -c 'test "$WANDB_API_KEY" = "$(sed -n s/^WANDB_API_KEY=//p {keys.path})" && echo it is there'"""
    script.write_text(f"#!/bin/bash\n#SBATCH --nodes=2 --ntasks=2\n{keys.script_lines()}srun {rank}\n")
    with cluster(tmp_path / "slurm") as slurm:
        environment = secrets.without(os.environ | slurm.environment, keys)
        words = ["sbatch", "--wait", "--parsable", f"--output={run}/job.log", str(script)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
        said = slurm.ask("scontrol", "show", "job", "--details", done.stdout.strip())
        said += slurm.ask("scontrol", "write", "batch_script", done.stdout.strip(), "-")
    assert (run / "job.log").read_text() == "it is there\nit is there\n"
    assert KEY not in said
    # Nor in the controller's own state, which keeps a job's script and environment.
    holders = [path for root in (run, slurm.folder) for path in root.rglob("*") if path.is_file()]
    assert not [path for path in holders if KEY.encode() in path.read_bytes()]
    assert any(b"SLURM_CONF" in path.read_bytes() for path in (slurm.folder / "state").rglob("environment"))
