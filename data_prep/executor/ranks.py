"""How one rank runs, wherever: its own log file, and a user's mistake kept whole for the process that started it."""

import contextlib
import json
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from datatrove.pipeline.base import PipelineStep
from datatrove.utils.stats import PipelineStats
from loguru import logger

from data_prep.errors import DataError, LangadaptError, UsageError
from data_prep.files import atomic_write, full_disk_named

_ERRORS = {kind.__name__: kind for kind in (DataError, UsageError)}


class QuietRanks:
    """Replaces datatrove's handling of one rank, which logs every exception with its stack trace to the console."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:  # noqa: ARG002
        steps: list[PipelineStep] = self.pipeline  # type: ignore[attr-defined]
        logs = Path(self.logging_dir.path)  # type: ignore[attr-defined]
        _failure_path(logs, rank).unlink(missing_ok=True)
        try:
            with full_disk_named(logs):
                return self._run_logged(steps, rank, logs)
        except LangadaptError as error:
            _keep_failure(logs, rank, error)
            raise

    def _run_logged(self, steps: Sequence[PipelineStep], rank: int, logs: Path) -> PipelineStats:
        with log_path(logs, rank).open("w", encoding="utf-8") as log:
            log_to(log)
            try:
                _run_steps(steps, rank, self.world_size)  # type: ignore[attr-defined]
            finally:
                log_to(None)
        stats = PipelineStats(list(steps))
        with self.logging_dir.open(f"stats/{rank:05d}.json", "w") as file:  # type: ignore[attr-defined]
            stats.save_to_disk(file)
        return stats


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


def log_path(logs: Path, rank: int) -> Path:
    """The log of one rank."""
    return logs / f"task_{rank:05d}.log"


def _failure_path(logs: Path, rank: int) -> Path:
    return logs / f"task_{rank:05d}.failure.json"


def _keep_failure(logs: Path, rank: int, error: LangadaptError) -> None:
    """A rank on another machine cannot raise here: its message is read back by `first_failure`.

    On a full disk it may not fit; then the log's place is all that machine can say.
    """
    said = {"kind": type(error).__name__, "what": error.what, "where": error.where, "why": error.why, "fix": error.fix}
    with contextlib.suppress(LangadaptError, OSError), atomic_write(_failure_path(logs, rank)) as file:
        file.write(json.dumps(said, ensure_ascii=False).encode())


def first_failure(logs: Path, ranks: Sequence[int], total: int) -> LangadaptError:
    """The error of the first of the ranks that left no receipt: its own message, or where to look."""
    for rank in ranks:
        if (path := _failure_path(logs, rank)).is_file():
            said = json.loads(path.read_bytes())
            kind = _ERRORS.get(said.pop("kind"), LangadaptError)
            return kind(said.pop("what"), **said)
    return DataError(
        f"{len(ranks)} of {total} tasks ended without a receipt and without a message",
        where=str(log_path(logs, ranks[0])),
        why="a process was killed: out of memory, a time limit, or a lost machine",
        fix="run the same command again: finished shards are kept\n"
        "if it happens again, give a task more: fewer workers on this machine, slurm.mem_per_cpu_gb or slurm.time",
    )


def log_to(file: TextIO | None) -> None:
    """Warnings to the console, everything to `file` if there is one."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}", diagnose=False)
    if file is not None:
        logger.add(file, level="DEBUG", diagnose=False, catch=False)
