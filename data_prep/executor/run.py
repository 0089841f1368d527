"""Chooses where the tasks of a step run, and turns what did not finish into one error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.executor.settings import ExecutorName, RaySettings, SlurmSettings
from data_prep.tasks import Task, Transform


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where tasks run and how many at once."""

    executor: ExecutorName = "local"
    workers: int = 1
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    ray: RaySettings = field(default_factory=RaySettings)
    key_variables: tuple[str, ...] = ()
    """Names of environment variables whose keys the tasks need, beside `data_prep.secrets.NAMES`."""

    def warm_up(self) -> None:
        """Start what takes a while, before there is work for it."""
        if self.executor == "local" and self.workers > 1:
            from data_prep.executor import local

            local.warm_up()

    def check(self) -> None:
        """Refuse an executor that cannot work here, before any work."""
        if self.executor == "slurm":
            from data_prep.executor import slurm

            slurm.check(self.slurm)
        elif self.executor == "ray":
            from data_prep.executor import ray

            ray.check()


def execute(
    title: str,
    stage: str,
    tasks: Sequence[Task],
    transforms: Sequence[Transform],
    *,
    execution: Execution,
    logs: Path,
    is_done: Callable[[Task], bool],
) -> None:
    """Run every task of a step to its receipt.

    Raises:
        LangadaptError: The first task that left none, in its own words.
    """
    from data_prep.console import progress
    from data_prep.executor.ranks import first_failure, log_to
    from data_prep.executor.steps import ReadStep, TransformStep, WriteStep

    log_to(None)
    logs.mkdir(parents=True, exist_ok=True)
    steps = [ReadStep(tasks), *map(TransformStep, transforms), WriteStep(stage, tasks)]
    workers = min(execution.workers, len(tasks))
    with progress(title, len(tasks)) as bar:
        if execution.executor == "local":
            from data_prep.executor.local import LocalExecutor

            LocalExecutor(steps, tasks=len(tasks), workers=workers, logs=logs).run_all(bar)
        elif execution.executor == "slurm":
            from data_prep.executor.slurm import SlurmExecutor

            on_slurm = SlurmExecutor(
                steps, name=f"prep-{stage}", tasks=len(tasks), workers=workers, logs=logs, slurm=execution.slurm
            )
            on_slurm.run_all(bar, lambda: sum(map(is_done, tasks)), execution.key_variables)
        else:
            from data_prep.executor.ray import RayExecutor

            RayExecutor(steps, tasks=len(tasks), workers=workers, logs=logs, settings=execution.ray).run_all()
    unfinished = [rank for rank, task in enumerate(tasks) if not is_done(task)]
    if unfinished:
        raise first_failure(logs, unfinished, len(tasks))


def wait_for_earlier_jobs(execution: Execution, logs: Path) -> None:
    """Jobs of a driver that was killed may still be writing: wait for them before deciding what is left to do."""
    if execution.executor != "slurm":
        return
    from data_prep.executor import slurm

    if jobs := slurm.read_jobs(logs):
        print(f"waiting for jobs of an earlier run: {', '.join(jobs)}", flush=True)
        slurm.wait_for(jobs, execution.slurm.poll_seconds, lambda: None)
        slurm.forget_jobs(logs)
