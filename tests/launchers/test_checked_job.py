"""A job whose nodes are looked at first, on a real Slurm: it trains on good ones, and goes on without a bad one."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.submit import record
from tests.conftest import REPOSITORY
from tests.launchers.plain_runs import PlainRun, plain_run, state_of, until
from tests.recipes.submit.test_node_check import NO_MOUNTS, UNSHARE
from tests.slurm_cluster import SlurmCluster, cluster, needs_slurm

pytestmark = needs_slurm
needs_mounts = pytest.mark.skipif(NO_MOUNTS, reason="no user namespaces here: a node cannot have mounts of its own")


BAD = "mount -t tmpfs -o size=64m none /dev/shm"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with cluster(tmp_path_factory.mktemp("slurm"), nodes=4) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        patch.chdir(REPOSITORY)
        yield running


def checked(folder: Path, *site: str, on_n2: str = "", requeue: str = "true") -> PlainRun:
    """A run on two nodes that looks at them; n2's task has mounts of its own, as its Python's first act."""
    site = ("slurm.node_check=true", f"slurm.requeue={requeue}", *(site or ("slurm.exclude='n[3-4]'",)))
    run = plain_run(folder, {"steps": 5, "seconds": 0.05}, site=site)
    python = folder.parent / "venv" / "bin" / "python"
    ranks = python.with_name("ranks")
    python.rename(ranks)
    enter = f"[ $SLURMD_NODENAME != n2 ] || exec {' '.join(UNSHARE)}"
    own = f'{enter} sh -c \'{on_n2}; exec "$@"\' sh {sys.executable} "$@"' if on_n2 else ""
    is_rank = '[ "$2" = recipes.submit.node_check ]'
    python.write_text(f'#!/bin/sh\n{is_rank} || exec {ranks} "$@"\n{own}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return run.submit()


@pytest.fixture(scope="module")
def runs(made: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PlainRun]:
    """Jobs that get n2 first, on which the check fails, after what became of them."""
    root = tmp_path_factory.mktemp("bad")
    sites = {
        "requeued": (("slurm.exclude=n3",), "true"),
        "chained": (("slurm.exclude=n3",), "chain"),
        "cornered": (("slurm.exclude='n[3-4]'",), "true"),
        "by hand": (("slurm.exclude='n[3-4]'",), "false"),
    }
    made.ask("scontrol", "update", "NodeName=n4", "State=DRAIN", "Reason=n2 comes first")
    all_runs = {
        name: checked(root / name / "run", *site, on_n2=BAD, requeue=requeue) for name, (site, requeue) in sites.items()
    }
    for run in all_runs.values():
        until(lambda run=run: record.starts(run.plan.folder), run=run)
    made.ask("scontrol", "update", "NodeName=n4", "State=RESUME")
    for run in all_runs.values():
        until(lambda run=run: run.done() or run.ended(), run=run)
    return all_runs


def test_on_good_nodes_the_run_trains(made: SlurmCluster, tmp_path: Path) -> None:
    run = checked(tmp_path / "my run", requeue="false")
    until(lambda: run.done() or run.ended(), run=run, seconds=180)
    assert run.done(), run.said
    assert "node check: 2 nodes are good\n" in run.said
    report = json.loads((run.plan.folder / "nodes.json").read_text())
    assert [each["stage"] for each in report["nodes"]] == [3, 3]  # both came through the all-reduce


@needs_mounts
@pytest.mark.parametrize("name", ["requeued", "chained"])
def test_a_job_goes_on_without_the_node_its_check_found_bad(made: SlurmCluster, runs, name: str) -> None:
    run = runs[name]
    assert run.done(), run.said
    assert "node check: 1 of 2 nodes are bad: n2: /dev/shm has 0.06 GiB free, 1 are needed" in run.said
    assert "to be started again without n[2-3]\n" in run.said
    assert "node check: 2 nodes are good\n" in run.said
    report = json.loads((run.plan.folder / "nodes.json").read_text())
    assert [each["node"] for each in report["nodes"]] == ["n1", "n4"]
    assert report["bad"] == {}
    assert list(report["excluded"]) == ["n2"]  # from the start before
    jobs = [start["job"] for start in record.starts(run.plan.folder)]
    assert len(jobs) == 2
    assert (jobs[0] == jobs[1]) == (name == "requeued"), "jobs that wait for a requeued one still find it"
    assert made.state(jobs[1])["ExcNodeList"] == "n[2-3]"
    assert run.steps == 5


@needs_mounts
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cornered", "sbatch refused the job: allocation failure: Requested node configuration is not available"),
        ("by hand", "no requeue, as configured"),
    ],
)
def test_a_job_that_cannot_go_on_without_a_node_ends_with_the_command_that_can(
    made: SlurmCluster, runs, name: str, why: str
) -> None:
    run = runs[name]
    assert run.ended().startswith(f"{why}; the node check failed: {run.plan.folder / 'nodes.json'}; without them: ")
    assert run.ended().endswith(" cluster.slurm.exclude='n[2-4]'")
    until(lambda: state_of(made, run) == "FAILED", run=run)
    assert run.steps == 0
