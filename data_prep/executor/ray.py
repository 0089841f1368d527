"""A Ray cluster: a task is one Ray job; the output folder must be on storage all its machines share."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from datatrove.executor.ray import RayPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from data_prep.errors import UsageError
from data_prep.executor.ranks import QuietRanks, log_to
from data_prep.executor.settings import RaySettings


class RayExecutor(QuietRanks, RayPipelineExecutor):  # type: ignore[misc]
    """Runs the ranks as Ray tasks; ranks whose machine was lost are tried again by datatrove."""

    def __init__(
        self, steps: Sequence[PipelineStep], *, tasks: int, workers: int, logs: Path, settings: RaySettings
    ) -> None:
        with _quiet():
            super().__init__(
                list(steps),
                tasks=tasks,
                workers=workers,
                logging_dir=str(logs),
                skip_completed=False,
                mem_per_cpu_gb=settings.mem_per_cpu_gb,
            )
        self.address = settings.address

    def run_all(self) -> None:
        """Run every rank; one that failed has no receipt."""
        _join(self.address)
        with _quiet():
            self.run()


def _join(address: str | None) -> None:
    """Join or start Ray for the rest of this process: starting takes longer than many a step; Ray ends it at exit."""
    import ray

    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (ConnectionError, ValueError) as error:
        raise UsageError(
            f"cannot join the Ray cluster: {error}".splitlines()[0],
            where=f"ray.address={address}",
            fix="ray.address=auto on a machine of the cluster, or null to start Ray here",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Datatrove's Ray executor warns about local folders and logs each poll; failures are told from receipts."""
    from loguru import logger

    logger.disable("datatrove")
    try:
        yield
    finally:
        logger.enable("datatrove")


def check() -> None:
    """Refuse where Ray is not installed."""
    try:
        import ray  # noqa: F401
    except ImportError:
        raise UsageError(
            "executor=ray, but Ray is not installed", where=os.fspath(Path(".venv")), fix="make setup installs it"
        ) from None
    log_to(None)
