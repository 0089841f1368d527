"""A job whose node check found bad nodes, with stand-ins for Slurm's commands: refusals a real one seldom gives.

`tests/launchers/test_checked_job.py` shows on a real Slurm what they have to answer.
"""

import json
from pathlib import Path

import pytest

from data_prep import secrets
from recipes.submit import job, record
from recipes.submit.node_verdict import BAD_NODES

from .test_job import checkpoint, ended, submitted

SCONTROL = """#!/bin/sh
echo "$@" >>{noted}
case "$*" in
  "show hostnames "*) echo "$3" | tr , '\\n' ;;
  "show hostlistsorted "*) echo "$3" ;;
  "show job "*) echo "JobId=71 ReqNodeList=(null) ExcNodeList=n9 NodeList=n1" ;;
  *) [ ! -e {noted}.$1 ] || {{ cat {noted}.$1 >&2; exit 1; }} ;;
esac
"""
SBATCH = '#!/bin/sh\necho "sbatch $@ key=$HF_TOKEN" >>{noted}; echo 72\n'


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Slurm was asked; `noted.WORD` beside it holds the words `scontrol WORD` refuses with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "noted"
    for name, text in {"scontrol": SCONTROL, "sbatch": SBATCH}.items():
        (folder / name).write_text(text.format(noted=path))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return path


def begun(run: Path) -> Path:
    """A job folder of one start, after a check that found n2 bad and, at an earlier start, n5."""
    folder = submitted(run)
    assert job.main(["begin", str(folder), ""]) == job.START
    (folder / record.NODES).write_text(json.dumps({"bad": {"n2": ["x"]}, "excluded": {"n5": ["x"], "n2": ["x"]}}))
    return folder


def check_failed(folder: Path, code: int = BAD_NODES) -> int:
    return job.main(["bad-nodes", str(folder), str(code)])


def test_the_requeue_comes_before_the_exclusion_which_holds_all_nodes(noted: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert check_failed(folder) == job.REQUEUED
    asked = noted.read_text().splitlines()
    assert asked[-2:] == ["requeue 71", "update JobId=71 ExcNodeList=n9,n5,n2"]
    assert any(line.startswith("sbatch --test-only --exclude=n9,n5,n2 ") for line in asked)
    assert record.ended(folder) is None


def test_tries_without_progress_are_counted_with_all_others(noted: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert check_failed(folder) == job.REQUEUED
    job.main(["begin", str(folder), ""])
    assert check_failed(folder) == job.ENDED
    assert ended(folder).startswith("2 starts in a row left no checkpoint beyond step 0; the node check failed: ")
    assert ended(folder).endswith("; without them: langadapt submit cluster.slurm.exclude=n9,n5,n2")


def test_a_checkpoint_since_starts_the_count_anew(noted: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    checkpoint(tmp_path / "run", 8)
    assert [job.main(["begin", str(folder), ""]), check_failed(folder)] == [job.START, job.REQUEUED]


def test_a_fault_of_all_nodes_ends_the_job(noted: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert check_failed(folder, 1) == job.ENDED
    assert ended(folder) == f"the node check failed: {folder / 'nodes.json'}"
    assert not noted.exists()


def test_a_refused_requeue_ends_the_job_in_slurms_words(noted: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    Path(f"{noted}.requeue").write_text("Requested operation is presently disabled\n")
    assert check_failed(folder) == job.ENDED
    assert ended(folder).startswith("Slurm refused to requeue: Requested operation is presently disabled; the node")


def test_a_refused_exclusion_is_said_and_costs_a_try(
    noted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "run")
    Path(f"{noted}.update").write_text("Access/permission denied\n")
    assert check_failed(folder) == job.REQUEUED
    assert "does not leave out n9,n5,n2, and may give them again: Access/permission denied\n" in capsys.readouterr().out


def test_the_next_job_of_a_chain_gets_the_nodes_and_no_key(
    noted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "run")
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    secrets.hand_over(tmp_path / "run")
    capsys.readouterr()
    assert job.main(["next", str(folder), ""]) == 0
    assert capsys.readouterr().out == "72\n"
    said = noted.read_text().splitlines()[-1]
    assert said == f"sbatch --parsable --dependency=singleton --exclude=n9,n5,n2 {folder}/job.sbatch key="
