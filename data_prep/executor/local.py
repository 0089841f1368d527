"""One machine: tasks one after another, or in `workers` processes that serve all steps of a run.

datatrove's own pool waits for ever when a worker is killed (out of memory); here that is an error that says so.
"""

import functools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, forkserver, get_context, parent_process
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from data_prep.console import Progress
from data_prep.executor.ranks import QuietRanks

_PRELOADED = [__name__, "data_prep.pipeline"]
"""Imported once, by the process that workers are forked from."""


class LocalExecutor(QuietRanks, LocalPipelineExecutor):  # type: ignore[misc]
    """Runs every rank on this machine."""

    def __init__(self, steps: Sequence[PipelineStep], *, tasks: int, workers: int, logs: Path) -> None:
        super().__init__(list(steps), tasks=tasks, workers=workers, logging_dir=str(logs), skip_completed=False)

    def run_all(self, progress: Progress) -> None:
        """Every rank; the first error ends the step, and what was finished stays finished.

        A killed worker ends the step without an error of its own: its tasks have no receipt.
        """
        if self.workers == 1:
            for rank in range(self.tasks):
                self._run_for_rank(rank)
                progress.advance()
            return
        pool = _pool(self.workers)
        try:
            ranks: list[Future[object]] = [pool.submit(self._run_for_rank, rank) for rank in range(self.tasks)]
            for done in as_completed(ranks):
                done.result()
                progress.advance()
        except BrokenProcessPool:
            for worker in active_children():  # one that started while the pool ended the others is waited for
                worker.terminate()
            _end(pool)
        except BaseException:
            _end(pool)
            raise


def warm_up() -> None:
    """Starts the process that workers are forked from: it imports for a second while this one checks its input."""
    forkserver.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


@functools.cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Workers for the rest of this process: a step of small tasks takes less time than starting them."""
    warm_up()
    return ProcessPoolExecutor(workers, mp_context=get_context("forkserver"), initializer=_end_with_parent)


def _end(pool: ProcessPoolExecutor) -> None:
    _pool.cache_clear()
    pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose driver was killed would wait for ever, and write beside the next run's."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
