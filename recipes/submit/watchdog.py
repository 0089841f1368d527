"""Ends a run that hangs: `python -m recipes.submit.watchdog RUN/slurm/N`, in the job script beside the ranks.

A collective that one rank never joins lasts until somebody looks. A run whose metrics file has not grown for
`hang_minutes` is sent SIGABRT: Python's faulthandler (PYTHONFAULTHANDLER=1, `recipes.submit.environment`) makes every
rank print the stacks of all its threads, from C, whatever holds the interpreter's lock. Nothing has to be installed or
registered, and the ranks are gone afterwards; the rule of every other failure decides about the requeue.
"""

import sys
import time
from pathlib import Path

from recipes import run_record
from recipes.submit import record, slurm

STACK_SECONDS = 10.0
"""For a rank to print; the step is then cancelled, should SIGABRT not have ended it."""
STACKS = "stacks-{start}.txt"
_BEGIN = "Fatal Python error: Aborted"


def main(folder: Path) -> None:
    """Watches until the job's script ends it: a controller that does not answer once is no end of the run."""
    submission = record.read(folder)
    limit, began, job = submission.hang_minutes * 60, time.time(), slurm.job_id()
    time.sleep(min(limit, 60) / 4)
    while True:
        idle = time.time() - max(began, newest_step(Path(submission.run)))
        if idle >= limit and (step := slurm.step_called(slurm.RANKS, job)):
            end_hung(folder, step, idle)
            return
        time.sleep(min(max(limit - idle, 1), 60))


def newest_step(run: Path) -> float:
    """When a run last logged a step, in seconds since the epoch; 0 if it never has."""
    files = [each / run_record.METRICS_NAME for each in (run, *run_record.phase_folders(run))]
    return max((path.stat().st_mtime for path in files if path.exists()), default=0.0)


def end_hung(folder: Path, step: str, idle: float) -> None:
    """Says so, has the ranks print their stacks, and cancels the step; `collect` is for when they are gone."""
    start = len(record.starts(folder))
    reason = f"no new step for {idle / 60:.1f} minutes; the stacks of the ranks: {folder / STACKS.format(start=start)}"
    print(f"langadapt: {reason}", flush=True)
    record.note_hang(folder, start, reason)
    slurm.signal_step(step, "ABRT")
    time.sleep(STACK_SECONDS)
    slurm.cancel(step)


def collect(folder: Path) -> None:
    """Puts what every rank of this start has printed of its stacks into one file."""
    starts = record.starts(folder)
    sizes = starts[-1]["logs"]
    parts = []
    for path in sorted((folder / "log").glob("rank-*.log")):
        _, found, text = record.log_text(path, sizes).rpartition(_BEGIN)
        parts.append(f"== {path.stem}\n{text.strip() if found else 'left no stack'}\n")
    (folder / STACKS.format(start=len(starts))).write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
