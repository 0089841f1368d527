"""Jobs of plain ranks on a real Slurm: the submit, the script and the decisions are the product's own."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recipes.cli import quote
from recipes.plan.cluster import find
from recipes.submit import record, verb
from recipes.submit.kinds import Work, resolve
from recipes.submit.script import Plan
from tests.conftest import CONFIGS
from tests.slurm_cluster import SlurmCluster

QUICK = (
    "slurm.time=00:10:00",
    "slurm.stop_seconds=240",
    "slurm.signal_seconds=60",
    "slurm.cpus_per_task=1",
    "slurm.node_check=false",
    "slurm.max_tries_without_progress=2",
)


@dataclass
class PlainRun:
    """One run folder whose ranks meet a fate."""

    folder: Path
    plan: Plan
    job: str = ""

    def submit(self) -> "PlainRun":
        self.job = verb.submit(self.plan)
        return self

    @property
    def said(self) -> str:
        """What the job's script and its parts printed."""
        path = self.plan.logs / "job.log"
        return path.read_text() if path.exists() else ""

    @property
    def starts(self) -> list[int]:
        """Steps every start of the ranks began from; a start whose srun a busy machine refused has none."""
        path = self.folder / "record" / "began"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    @property
    def steps(self) -> int:
        """Lines in the metrics file."""
        path = self.folder / "record" / "metrics.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def done(self) -> bool:
        return (self.folder / "DONE").exists()

    def ended(self) -> str:
        return record.ended(self.plan.folder) or ""


def stand_in(folder: Path) -> Path:
    """A virtual environment whose Python is `plain_rank.py`."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "plain_rank.py"} "$@"\n')
    python.chmod(0o755)
    return folder


def plain_run(
    folder: Path, fate: Mapping[str, object], *, nodes: int = 2, ranks: int = 1, site: tuple[str, ...] = ()
) -> PlainRun:
    """A run that is ready to be submitted."""
    folder.mkdir(parents=True)
    (folder / "fate.json").write_text(json.dumps({"steps": 30, "save_every": 5} | dict(fate)))
    overrides = [
        f"trainer.num_nodes={nodes}",
        f"trainer.devices={ranks}",
        f"exp_manager.explicit_log_dir={quote(folder)}",
        "model.data.data_prefix=[1,x]",
        "model.tokenizer.model=x",
        "model.restore_from_path=x",
    ]
    venv = stand_in(folder.parent / "venv")
    cluster = find("a100-80gb", [*QUICK, f"slurm.venv={venv}", *site])
    work: Work = resolve("cpt", [CONFIGS / "cpt" / "tiny.yaml"], overrides, cluster.slurm)
    return PlainRun(folder, verb.make_plan(work, cluster, "a100-80gb"))


def until(true: Callable[[], object], *, run: PlainRun, seconds: float = 120) -> None:
    """Waits for something to become true of a run."""
    wait_until(true, lambda: run.said, seconds)


def wait_until(true: Callable[[], object], said: Callable[[], str], seconds: float = 300) -> None:
    """Waits for something to become true; fails with what was said until then."""
    deadline = time.monotonic() + seconds
    while not true():
        text = said()  # which may itself find that nothing more will come
        assert time.monotonic() < deadline, text
        time.sleep(0.1)


def state_of(cluster: SlurmCluster, run: PlainRun) -> str:
    return cluster.state(run.job)["JobState"]
