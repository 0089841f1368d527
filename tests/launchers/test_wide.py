"""256 ranks on 32 nodes: every rank knows its number, how many there are and where rank 0 is, and has its own log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes import launch
from recipes.submit import slurm
from tests.conftest import REPOSITORY
from tests.launchers.plain_runs import plain_run, until
from tests.slurm_cluster import SlurmCluster, cluster, needs_slurm

pytestmark = needs_slurm

NODES, RANKS = 32, 8


@pytest.fixture
def wide(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    with cluster(tmp_path_factory.mktemp("slurm"), nodes=NODES, cpus=RANKS) as made:
        monkeypatch.setenv("SLURM_CONF", made.environment["SLURM_CONF"])
        monkeypatch.chdir(REPOSITORY)
        yield made


def test_256_ranks_on_32_nodes_are_numbered_as_the_recipes_read_it(
    wide: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = plain_run(tmp_path / "my runs", {}, nodes=NODES, ranks=RANKS, site=("slurm.requeue=false",))
    python = (
        tmp_path / "venv" / "bin" / "python"
    )  # 256 interpreters would take a minute: each rank tells what it is told
    python.write_text("#!/bin/sh\nenv | grep -E '^(SLURM|MASTER)_?[A-Z_]*='\n")
    run.submit()
    until(lambda: "to be started again" in run.said or run.ended(), run=run, seconds=60)
    logs = [path.read_text().splitlines() for path in sorted(run.plan.logs.glob("rank-*.log"))]
    told = [dict(line.split("=", 1) for line in lines) for lines in logs]
    assert len(told) == NODES * RANKS
    for number, environment in enumerate(told):
        assert int(environment["SLURM_PROCID"]) == number
        assert int(environment["SLURM_LOCALID"]) == number % RANKS
        assert int(environment["SLURM_NODEID"]) == number // RANKS
        assert environment["SLURM_NTASKS_PER_NODE"] == str(RANKS)  # Lightning's SLURMEnvironment asks for it
    assert len({(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in told}) == 1
    assert 10000 <= int(told[0]["MASTER_PORT"]) < 30000
    for name, value in told[200].items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RANK", raising=False)
    assert launch.is_rank()
    assert launch.rank() == 200
    launch.check_world(NODES * RANKS, NODES, dry_run=False)
    until(lambda: not slurm.queued(run.plan.name), run=run)
    assert wide.state(run.job)["JobState"] == "FAILED"
