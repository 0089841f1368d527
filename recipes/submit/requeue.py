"""Whether a job that has ended is started again: decided from what it left, never from srun's exit code alone.

srun cannot carry an exit code through a job of many ranks: with --kill-on-bad-exit the first rank to leave decides,
and the status of the others is that of the signal that ended them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["done", "again", "end"]

USAGE = 2
"""langadapt's exit code for a mistake in the configuration: no machine and no retry mends it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one start of a run left behind.

    Attributes:
        done: The work is finished.
        forbidden: Why the run must not go on by itself (a loss gone wrong, an alarm, a user's STOP file); empty if
            nothing speaks against it.
        stopped: What the run obeyed when it stopped with a checkpoint; empty where it did not.
        exit_code: Of the rank that failed first, as srun reported it; None where it reported none.
        failure: One line about a failure.
        starts: Checkpointed step at each start so far, this one last.
        step: Checkpointed step now.
        max_tries: Starts in a row that may end without a newer checkpoint.
    """

    done: bool = False
    forbidden: str = ""
    stopped: str = ""
    exit_code: int | None = None
    failure: str = ""
    starts: Sequence[int] = ()
    step: int = 0
    max_tries: int = 3


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict and, for people, its reason."""

    verdict: Verdict
    reason: str


def tries_without_progress(starts: Sequence[int], step: int) -> int:
    """Starts in a row, up to the last, that have not brought the checkpoint beyond where they found it."""
    count = 0
    for found in reversed(starts):
        if found < step:
            break
        count += 1
    return count


def out_of_tries(starts: Sequence[int], step: int, max_tries: int) -> str:
    """Why a job is not started once more; empty where a newer checkpoint or a try is left to hope for."""
    tries = tries_without_progress(starts, step)
    return f"{tries} starts in a row left no checkpoint beyond step {step}" if tries >= max_tries else ""


def decide(outcome: Outcome) -> Decision:
    """Whether the job ends as done, starts again, or ends for good."""
    if outcome.done:
        return Decision(verdict="done", reason=f"done, at step {outcome.step}")
    if outcome.forbidden:
        return Decision(verdict="end", reason=outcome.forbidden)
    if outcome.exit_code == USAGE:
        return Decision(verdict="end", reason=f"a mistake no retry mends (exit code 2): {outcome.failure}")
    ended = f"stopped by {outcome.stopped}" if outcome.stopped else f"failed: {outcome.failure or 'no message found'}"
    if reason := out_of_tries(outcome.starts, outcome.step, outcome.max_tries):
        return Decision(verdict="end", reason=f"{reason}; the last one {ended}")
    tries = tries_without_progress(outcome.starts, outcome.step)
    progress = f"start {tries} of {outcome.max_tries} without a newer checkpoint" if tries else "it has advanced"
    return Decision(verdict="again", reason=f"{ended}; checkpoint at step {outcome.step}, {progress}")
