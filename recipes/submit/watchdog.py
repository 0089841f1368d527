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
from recipes.submit.job import STEP_NAME

STACK_SECONDS = 10.0
"""For a rank to print; the step is then cancelled, should SIGABRT not have ended it."""
STACKS = "stacks-{start}.txt"
_BEGIN = "Fatal Python error: Aborted"


def main(folder: Path) -> None:
    """Watches as long as the step runs."""
    submission = record.read(folder)
    limit, began, job = submission.hang_minutes * 60, time.time(), slurm.job_id()
    time.sleep(min(limit, 60) / 4)
    while step := slurm.step_called(STEP_NAME, job):
        idle = time.time() - max(began, newest_step(Path(submission.run)))
        if idle >= limit:
            end_hung(folder, step, idle)
            return
        time.sleep(min(max(limit - idle, 1), 60))


def newest_step(run: Path) -> float:
    """When a run last logged a step, in seconds since the epoch; 0 if it never has."""
    files = [each / run_record.METRICS_NAME for each in (run, *run_record.phase_folders(run))]
    return max((path.stat().st_mtime for path in files if path.exists()), default=0.0)


def end_hung(folder: Path, step: str, idle: float) -> None:
    """Has the stacks written, cancels the step and says so."""
    start = len(record.starts(folder))
    stacks = folder / STACKS.format(start=start)
    reason = f"no new step for {idle / 60:.1f} minutes; the stacks of the ranks are in {stacks}"
    print(f"langadapt: {reason}", flush=True)
    record.note_hang(folder, start, reason)
    slurm.signal_step(step, "ABRT")
    time.sleep(STACK_SECONDS)
    slurm.cancel(step)
    stacks.write_text(collect(folder), encoding="utf-8")


def collect(folder: Path) -> str:
    """What every rank of this start has printed of its stacks."""
    sizes = record.starts(folder)[-1]["logs"]
    parts = []
    for path in sorted((folder / "log").glob("rank-*.log")):
        _, found, text = record.log_text(path, sizes).rpartition(_BEGIN)
        parts.append(f"== {path.stem}\n{text.strip() if found else 'left no stack'}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
