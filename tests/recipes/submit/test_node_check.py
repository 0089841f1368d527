"""The check of nodes on a real Slurm of two; a bad node is one whose task sees other mounts than the others do."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.submit import node_check
from tests.conftest import REPOSITORY
from tests.slurm_cluster import needs_slurm, running

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
NO_MOUNTS = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0

needs_mounts = pytest.mark.skipif(NO_MOUNTS, reason="no user namespaces here: a node cannot have mounts of its own")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running(tmp_path_factory.mktemp("slurm")) as environment:
        yield {**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)}


def check(
    cluster: dict[str, str], folder: Path, *words: str, on_n2: str = "", timeout: float = 1.0, port: int = 0
) -> tuple[int, str, dict[str, Any]]:
    """The two halves as a job script has them; `on_n2` is shell that n2's task runs first, in mounts of its own."""
    folder.mkdir(exist_ok=True)
    script = folder / "node.sh"
    enter = " ".join(UNSHARE)
    script.write_text(
        '#!/bin/sh\n[ "$SLURMD_NODENAME" = n2 ] || exec "$@"\n'
        f'exec {enter} sh -c \'{on_n2 or ":"}\n exec "$@"\' sh "$@"\n'
    )
    script.chmod(0o755)
    python = f"{sys.executable} -m recipes.submit.node_check"
    job = folder / "job.sh"
    job.write_text(
        f"#!/bin/bash\nsrun --ntasks-per-node=1 --ntasks=2 '{script}' {python} look '{folder}' --timeout {timeout} "
        f"{' '.join(words)} | {python} judge '{folder}'\nexit $?\n"
    )
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} if port else {}
    words_ = ["salloc", "--quiet", "--nodes=2", "bash", str(job)]
    done = subprocess.run(words_, env=cluster | variables, capture_output=True, text=True, check=False, timeout=120)
    report = folder / "nodes.json"
    assert report.is_file(), done.stderr
    return done.returncode, done.stdout, json.loads(report.read_text())


@needs_slurm
def test_two_good_nodes_sum_over_gloo_and_say_that_they_have_no_gpus(cluster: dict[str, str], tmp_path: Path) -> None:
    code, out, report = check(cluster, tmp_path / "a b", timeout=60, port=19731)
    assert (code, report["bad"], report["common"]) == (0, {}, [])
    assert out == "node check: 2 nodes are good\nnode check: GPUs were not looked at: the job has none\n"
    assert [(each["node"], each["stage"], each["unseen"]) for each in report["nodes"]] == [("n1", 3, []), ("n2", 3, [])]


@needs_slurm
@needs_mounts
def test_a_node_that_cannot_write_into_the_run_folder_is_named(cluster: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, out, report = check(cluster, folder, on_n2=f"mount -t tmpfs -o ro none {folder}")
    assert (code, list(report["excluded"])) == (3, ["n2"])
    assert "1 of 2 nodes are bad: n2: cannot write into the run folder" in out
    assert "Read-only file system" in out


@needs_slurm
@needs_mounts
def test_a_run_folder_that_is_another_one_on_each_node_is_nobodys_own_fault(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    code, out, _ = check(cluster, folder, on_n2=f"mount -t tmpfs none {folder}")
    assert code == 1
    assert "n1: it sees no file of the others in the run folder: not the same file system" in out


@needs_slurm
@needs_mounts
def test_a_node_with_little_shared_memory_is_named(cluster: dict[str, str], tmp_path: Path) -> None:
    code, out, report = check(cluster, tmp_path / "run", on_n2="mount -t tmpfs -o size=64m none /dev/shm")
    assert (code, list(report["bad"])) == (3, ["n2"])
    assert "/dev/shm has 0.06 GiB free, 1 are needed" in out


@needs_slurm
@needs_mounts
def test_a_node_whose_task_does_not_start_is_named(cluster: dict[str, str], tmp_path: Path) -> None:
    code, _, report = check(cluster, tmp_path / "run", on_n2="exit 1")
    assert (code, list(report["excluded"])) == (3, ["n2"])
    assert "could not start there" in report["bad"]["n2"][0]


@needs_slurm
def test_gpus_are_read_on_every_node(cluster: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    card = '"$n, GPU-$n, NVIDIA A100-SXM4-80GB, 81920, $used, 0"'
    program.write_text(
        "#!/bin/sh\ncase $1 in --query-gpu=*) ;; *) exit 0 ;; esac\n"
        '[ "$SLURMD_NODENAME" = n2 ] && used=70123 || used=4\n'
        f"for n in 0 1; do echo {card}; done\n"
    )
    program.chmod(0o755)
    environment = cluster | {"PATH": f"{program.parent}:{cluster['PATH']}"}
    code, _, report = check(environment, tmp_path / "run", "--gpus", "2", "--gpu-type", "a100")
    assert (code, list(report["bad"])) == (3, ["n2"])
    assert report["bad"]["n2"][1] == "GPU 1 has 70123 of 81920 MiB in use by another process"
    assert report["nodes"][0]["gpus"] == ["NVIDIA A100-SXM4-80GB"]


def test_what_is_no_report_goes_on_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        'srun: error: n2: task 1: Killed\nnode_check {"node": "n1", "fau\nnode_check {"node": "n1", "is_whole": true}\n'
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    monkeypatch.setattr(node_check, "allocated", lambda: ["n1"])
    assert node_check.main(["judge", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        'srun: error: n2: task 1: Killed\nnode_check {"node": "n1", "fau\nnode check: 1 nodes are good\n'
    )


def test_shared_memory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert node_check.shm_faults(tmp_path / "shm", 1)[0].endswith(
        "No such file or directory; NCCL and data workers need it"
    )


def test_without_a_master_the_all_reduce_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert node_check.reduce(0, 1, 0, 1.0) == {"note": "no all-reduce: MASTER_ADDR and MASTER_PORT are not set"}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo started; echo connected; exec sleep 600", (1, 0.0, "")),
        ("echo started; echo connected; echo joined; echo reduced 0.250", (3, 0.25, "")),
        (
            "echo started; echo Traceback >&2; echo CUDA error: out of memory >&2; exit 1",
            (0, 0.0, "CUDA error: out of memory"),
        ),
        ("exit 9", (0, 0.0, "exit code 9")),
    ],
    ids=["hangs", "ends", "dies", "dies without a word"],
)
def test_how_far_a_rank_came_is_read_and_one_that_hangs_is_killed(script: str, found: tuple[int, float, str]) -> None:
    rank = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert node_check._finish(rank, time.monotonic() + 2) == found
    assert rank.poll() is not None
