"""Runs tasks as a datatrove pipeline: reader, transforms, writer; one rank per task.

datatrove is our engine, so the same steps can go to its Slurm and Ray executors. Two things are ours:

- Receipts are the only truth of what is done. datatrove marks a finished rank with an empty file named after
  the rank alone; a changed setting, an edited input or a reordered list of sources would go unnoticed. So only
  tasks that are not current get a rank, and `skip_completed` is off.
- A user's mistake must end in its one-screen message. datatrove logs every exception with its stack trace, so
  `_QuietRanks` runs the steps itself; its logs go to a file per rank and the console gets warnings only.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TextIO

from datatrove.data import Document as Carrier
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.stats import PipelineStats
from loguru import logger

from data_prep.documents import Document, Record, Reject
from data_prep.tasks import Task, Transform, finish

_TAGS = [field.name for field in fields(Document) if field.name not in ("id", "text")]


class ReadStep(PipelineStep):  # type: ignore[misc]
    """Rank r reads the records of task r."""

    type = "reader"
    name = "documents"

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tasks

    def run(self, data: None, rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """Ignores `data`: this is the first step."""
        for record in self.tasks[rank].read():
            yield to_carrier(record)


class TransformStep(PipelineStep):  # type: ignore[misc]
    """Changes documents or turns them into rejects; rejects of earlier steps pass through."""

    type = "transform"

    def __init__(self, transform: Transform) -> None:
        self.name = transform.__name__
        super().__init__()
        self.transform = transform

    def run(self, data: Iterable[Carrier], rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """One record out for every record in."""
        for carrier in data:
            record = from_carrier(carrier)
            yield carrier if isinstance(record, Reject) else to_carrier(self.transform(record))


class WriteStep(PipelineStep):  # type: ignore[misc]
    """Writes the outputs and the receipt of task `rank`."""

    type = "writer"
    name = "outputs and receipt"

    def __init__(self, stage: str, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.stage, self.tasks = stage, tasks

    def run(self, data: Iterable[Carrier], rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """Yields nothing: this is the last step."""
        receipt = finish(self.stage, self.tasks[rank], map(from_carrier, data))
        logger.info("{}: {} in {} s", self.tasks[rank].name, receipt.counts, receipt.seconds)
        yield from ()


class _QuietRanks:
    """Replaces datatrove's handling of one rank: same steps, its own log file, exceptions left to the caller."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:  # noqa: ARG002
        steps: list[PipelineStep] = self.pipeline  # type: ignore[attr-defined]
        with self.logging_dir.open(f"task_{rank:05d}.log", "w") as log:  # type: ignore[attr-defined]
            _log_to(log)
            try:
                _run_steps(steps, rank, self.world_size)  # type: ignore[attr-defined]
            finally:
                _log_to(None)
        return PipelineStats(steps)


def _run_steps(steps: Sequence[PipelineStep], rank: int, world_size: int) -> None:
    logger.info("rank {} of {}: {}", rank, world_size, ", ".join(map(str, steps)))
    records = None
    try:
        for step in steps:
            records = step(records, rank, world_size)
        deque(records or (), maxlen=0)
    except Exception:
        logger.opt(exception=True).debug("failed")
        raise


class _LocalExecutor(_QuietRanks, LocalPipelineExecutor):  # type: ignore[misc]
    """One machine, `workers` processes."""


def execute(stage: str, tasks: Sequence[Task], transforms: Sequence[Transform], *, workers: int, logs: Path) -> None:
    """Run every task of a stage to its receipt; the first error ends the stage."""
    _log_to(None)
    steps = [ReadStep(tasks), *map(TransformStep, transforms), WriteStep(stage, tasks)]
    _LocalExecutor(
        steps,
        tasks=len(tasks),
        workers=min(workers, len(tasks)),
        logging_dir=str(logs),
        skip_completed=False,
    ).run()


def _log_to(file: TextIO | None) -> None:
    """Warnings to the console, everything to `file` if there is one."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}")
    if file is not None:
        logger.add(file, level="DEBUG")


def to_carrier(record: Record) -> Carrier:
    """The datatrove document that carries a record between steps; tags travel in its metadata."""
    if isinstance(record, Reject):
        return Carrier(record.text, record.id, metadata={"reject_reason": record.reason, "where": record.where})
    return Carrier(record.text, record.id, metadata={tag: getattr(record, tag) for tag in _TAGS})


def from_carrier(carrier: Carrier) -> Record:
    """The record a datatrove document carries; steps in between may add metadata of their own."""
    metadata = carrier.metadata
    if "reject_reason" in metadata:
        return Reject(
            id=carrier.id, reason=metadata["reject_reason"], where=metadata.get("where", ""), text=carrier.text
        )
    return Document(id=carrier.id, text=carrier.text, **{tag: metadata[tag] for tag in _TAGS})
