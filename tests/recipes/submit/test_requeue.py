"""Every way a job can end, and whether it starts again."""

import pytest

from recipes.submit.requeue import Outcome, decide, tries_without_progress

TABLE = {
    "done": (Outcome(done=True, step=30, starts=[0]), "done", "done, at step 30"),
    "done counts before a failure behind the last step": (Outcome(done=True, exit_code=1, starts=[0]), "done", "done"),
    "a signal": (Outcome(stopped="SIGUSR2", starts=[0], step=13), "again", "stopped by SIGUSR2"),
    "a signal before the first checkpoint": (Outcome(stopped="SIGTERM", starts=[0], step=0), "again", "start 1 of 3"),
    "a limit too short for one checkpoint": (Outcome(stopped="SIGTERM", starts=[0, 0, 0], step=0), "end", "3 starts"),
    "a crash that has advanced": (
        Outcome(failure="rank 3", exit_code=1, starts=[0], step=5),
        "again",
        "it has advanced",
    ),
    "a crash that has not": (Outcome(failure="rank 3", starts=[5], step=5), "again", "start 1 of 3 without a newer"),
    "the same crash once more": (Outcome(failure="rank 3", starts=[0, 5, 5, 5], step=5), "end", "beyond step 5"),
    "one that advances every time": (Outcome(failure="x", starts=[0, 5, 10, 15], step=20), "again", "it has advanced"),
    "checkpoints set aside": (Outcome(failure="x", starts=[20, 10, 10], step=10), "end", "beyond step 10"),
    "a loss gone wrong": (Outcome(forbidden="the loss is nan", starts=[0], step=20), "end", "the loss is nan"),
    "a user's STOP": (Outcome(forbidden="stopped by the file STOP", starts=[0], step=20), "end", "STOP"),
    "a mistake in the config": (Outcome(exit_code=2, failure="x", starts=[0], step=20), "end", "no retry mends"),
    "no message at all": (Outcome(starts=[0], step=0), "again", "no message found"),
}


@pytest.mark.parametrize(("outcome", "verdict", "reason"), TABLE.values(), ids=TABLE)
def test_what_a_job_left_decides_whether_it_starts_again(outcome: Outcome, verdict: str, reason: str) -> None:
    decision = decide(outcome)
    assert decision.verdict == verdict
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("starts", "step", "tries"),
    [([], 0, 0), ([0], 0, 1), ([0], 1, 0), ([0, 40, 40], 40, 2), ([0, 0, 40], 40, 1), ([40, 20], 20, 2)],
)
def test_starts_are_counted_back_to_the_last_one_that_brought_a_checkpoint(starts, step, tries) -> None:
    assert tries_without_progress(starts, step) == tries
