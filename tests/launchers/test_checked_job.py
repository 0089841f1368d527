"""A job whose nodes are looked at first, on a real Slurm: it trains where they are good, and names the bad one."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.launchers.plain_runs import PlainRun, plain_run, state_of, until
from tests.recipes.submit.test_node_check import NO_MOUNTS, UNSHARE
from tests.slurm_cluster import SlurmCluster, cluster, needs_slurm

pytestmark = needs_slurm


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with cluster(tmp_path_factory.mktemp("slurm"), nodes=2) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        patch.chdir(REPOSITORY)
        yield running


def checked(folder: Path, on_n2: str = "") -> PlainRun:
    """A run that looks at its nodes; n2's task has mounts of its own, as its Python's first act."""
    run = plain_run(folder, {"steps": 5, "seconds": 0.05}, site=("slurm.node_check=true", "slurm.requeue=false"))
    python = folder.parent / "venv" / "bin" / "python"
    ranks = python.with_name("ranks")
    python.rename(ranks)
    enter = f"[ $SLURMD_NODENAME != n2 ] || exec {' '.join(UNSHARE)}"
    own = f'{enter} sh -c \'{on_n2}; exec "$@"\' sh {sys.executable} "$@"' if on_n2 else ""
    is_rank = '[ "$2" = recipes.submit.node_check ]'
    python.write_text(f'#!/bin/sh\n{is_rank} || exec {ranks} "$@"\n{own}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return run


def test_on_good_nodes_the_run_trains(made: SlurmCluster, tmp_path: Path) -> None:
    run = checked(tmp_path / "my run").submit()
    until(lambda: run.done() or run.ended(), run=run, seconds=180)
    assert run.done(), run.said
    assert "node check: 2 nodes are good\n" in run.said
    report = json.loads((run.plan.folder / "nodes.json").read_text())
    assert [each["stage"] for each in report["nodes"]] == [3, 3]  # both came through the all-reduce


@pytest.mark.skipif(NO_MOUNTS, reason="no user namespaces here: a node cannot have mounts of its own")
def test_a_bad_node_keeps_the_ranks_from_starting_and_is_named(made: SlurmCluster, tmp_path: Path) -> None:
    run = checked(tmp_path / "run", on_n2="mount -t tmpfs -o size=64m none /dev/shm").submit()
    until(lambda: state_of(made, run) not in ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING"), run=run, seconds=180)
    assert state_of(made, run) == "FAILED"
    assert "node check: 1 of 2 nodes are bad: n2: /dev/shm has 0.06 GiB free, 1 are needed" in run.said
    assert json.loads((run.plan.folder / "nodes.json").read_text())["exclude"] == "n2"
    assert "nodes.json" in run.ended()
    assert run.steps == 0
