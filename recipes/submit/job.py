"""What a job's script asks: `python -m recipes.submit.job begin|next|stop|bad-nodes|end RUN/slurm/N [EXIT_CODE]`.

begin: 0 start, 10 done already, 1 it must not go on. end: 0 done, 75 start again, 1 ended for good; the reason is
printed and, where the job does not go on by itself, left in RUN/slurm/N/ended.json. bad-nodes: 0 where it has put the
job back into the queue, else as end. next prints the id of a chain's next job.
"""

import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from omegaconf import OmegaConf

from data_prep import secrets
from data_prep.errors import LangadaptError
from recipes import run_record, stopping
from recipes.submit import record, slurm, watchdog
from recipes.submit.kinds import KINDS
from recipes.submit.node_verdict import BAD_NODES
from recipes.submit.progress import Progress, current, note_done, progress
from recipes.submit.record import Submission
from recipes.submit.requeue import Outcome, decide, out_of_tries
from recipes.submit.summary import Failure, exits, first_failure

START, ENDED, DONE_ALREADY, AGAIN = 0, 1, 10, 75
REQUEUED = 0
GRACE = 2 / 3
"""Of the time between Slurm's warning and its kill, what the ranks get for their checkpoint; the rest is for `end`."""
MOST_LOGS = 256
"""Rank logs that are searched for a first failure: those srun saw fail, then the lowest ranks."""


def begin(folder: Path, _argument: str) -> int:
    """Whether this start of the job has anything to do."""
    submission = record.read(folder)
    run, job = Path(submission.run), slurm.job_id()
    if record.starts(folder) and _progress(submission).done:  # the first start lets the verb look at its inputs again
        _finish(submission, folder)
        return DONE_ALREADY
    if reason := record.ended(folder) or _refused(submission, folder, run):
        return _end(folder, reason)
    if KINDS[submission.kind].trains:
        stopping.forget(current(run))
    record.add_start(folder, job, _progress(submission).step)
    number = len(record.starts(folder))
    _say(f"start {number}, job {job}, {submission.kind} in {run} from step {record.starts(folder)[-1]['step']}")
    return START


def stop(folder: Path, _argument: str) -> int:
    """Slurm has warned: ask a run to stop with a checkpoint, and end the step in time for a decision."""
    submission = record.read(folder)
    if KINDS[submission.kind].trains:
        _say("Slurm's warning before the time limit: the run is asked to stop")
        stopping.request_stop(current(Path(submission.run)), "Slurm's warning before the time limit")
        time.sleep(submission.signal_seconds * GRACE)
    if step := slurm.step_called(slurm.RANKS, slurm.job_id()):
        _say(f"step {step} is cancelled: the time limit is near")
        slurm.cancel(step)
    return 0


def queue_next(folder: Path, _argument: str) -> int:
    """Queues the next job of a chain; it stays away from the nodes this one does, and from those found bad."""
    nodes = _nodes_to_leave_out(folder)
    print(_sbatch(folder, nodes, "--parsable", "--dependency=singleton").partition(";")[0])
    return 0


def bad_nodes(folder: Path, exit_code: str) -> int:
    """The node check failed, and its own line has named the nodes: the job goes on without them, or ends.

    Slurm takes nodes to leave out from jobs alone that do not run, so the requeue comes first. It ends the script,
    which has to ignore SIGTERM: KillWait, 30 s by default, is left for the rest.
    """
    submission, job = record.read(folder), slurm.job_id()
    failed = f"the node check failed: {folder / record.NODES}"
    if exit_code != str(BAD_NODES):
        return _end(folder, failed)
    nodes = _nodes_to_leave_out(folder)
    by_hand = f"{failed}; without them: {submission.command} cluster.slurm.exclude={shlex.quote(nodes)}"
    if reason := _stays_out(submission, folder, nodes):
        return _end(folder, f"{reason}; {by_hand}")
    _say(f"to be started again without {nodes}")
    if submission.requeue == "chain":
        return AGAIN
    if refused := slurm.requeue(job):
        return _end(folder, f"Slurm refused to requeue: {refused}; {by_hand}")
    if refused := slurm.exclude(job, nodes):
        _say(f"Slurm does not leave out {nodes}, and may give them again: {refused}")
    return REQUEUED


def _stays_out(submission: Submission, folder: Path, nodes: str) -> str:
    """Why a job with bad nodes does not go on without these; empty if it does."""
    if reason := _out_of_tries(submission, folder):
        return reason
    if submission.requeue is False:
        return "no requeue, as configured"
    try:
        _sbatch(folder, nodes, "--test-only")
    except slurm.SbatchRefused as refused:
        return refused.what
    return ""


def _sbatch(folder: Path, nodes: str, *options: str) -> str:
    """Asks sbatch for this job once more, without some nodes and the keys the job's own environment may hold by now."""
    environment = secrets.without(os.environ, secrets.kept(Path(record.read(folder).run)))
    exclude = [f"--exclude={nodes}"] if nodes else []
    return slurm.sbatch([*options, *exclude, str(folder / record.SCRIPT)], environment)


def _nodes_to_leave_out(folder: Path) -> str:
    """Those this job stays away from, and those its checks have found bad, in Slurm's spelling."""
    return slurm.hostlist([*slurm.excluded(slurm.job_id()), *record.nodes(folder).get("excluded", {})])


def end(folder: Path, exit_code: str) -> int:
    """What becomes of the job now that its ranks are gone."""
    submission = record.read(folder)
    now = _progress(submission)
    if not KINDS[submission.kind].trains and exit_code == "0":
        now = Progress(done=True, step=now.step)
    decision = decide(_outcome(submission, folder, now))
    if decision.verdict == "done":
        _finish(submission, folder)
        return 0
    if decision.verdict == "end":
        return _end(folder, decision.reason)
    _say(f"to be started again: {decision.reason}")
    return AGAIN


def _outcome(submission: Submission, folder: Path, now: Progress) -> Outcome:
    """What this start left: markers first, and of a failure the first cause, which is printed and kept."""
    starts = record.starts(folder)
    steps = [int(start["step"]) for start in starts]
    if now.done:
        return Outcome(done=True, step=now.step)
    forbidden, stopped = _ending(submission)
    exit_code, failed = None, ""
    if not stopped and not forbidden:
        failure = _failure(folder, len(starts))
        (folder / record.FAILURE).write_text(f"{failure}\n", encoding="utf-8")
        _say(f"first failure: {failure}")
        exit_code, failed = failure.exit_code, failure.headline
    return Outcome(
        forbidden=forbidden,
        stopped=stopped,
        exit_code=exit_code,
        failure=failed,
        starts=steps,
        step=now.step,
        max_tries=submission.max_tries,
    )


def _ending(submission: Submission) -> tuple[str, str]:
    """Why a training run must not go on by itself, and what it obeyed; both empty for one that failed."""
    run = Path(submission.run)
    if not KINDS[submission.kind].trains:
        return "", ""
    ending = stopping.read_ending(current(run))
    if ending and ending.fault:
        return ending.fault["what"], ""
    if ending and ending.reason == stopping.BY_FILE:
        return f"stopped by {ending.reason}: somebody wants no training", ""
    if alarm := _standing_alarm(run):
        return alarm, ""
    return "", ending.reason if ending else ""


def _standing_alarm(run: Path) -> str:
    """What the forgetting monitor has stopped a run for, as its next start would say it."""
    from recipes.monitor.guard import Forgetting, refuse_standing_alarm

    before = run_record.read(run)
    try:
        if before is not None:
            refuse_standing_alarm(OmegaConf.create(before.config), run)
    except Forgetting as error:
        return error.what
    return ""


def _failure(folder: Path, start: int) -> Failure:
    """The first cause of this start's end."""
    sizes = record.starts(folder)[-1]["logs"]
    if reason := record.hang(folder, start):
        watchdog.collect(folder)
        return Failure(kind="hang", text=reason)
    job_log = record.log_text(folder / "log" / "job.log", sizes)
    logs = {int(path.stem.removeprefix("rank-")): path for path in sorted((folder / "log").glob("rank-*.log"))}
    failed = [each.task for each in exits(job_log) if each.task in logs]
    chosen = list(dict.fromkeys([*failed, *sorted(logs)]))[:MOST_LOGS]
    return first_failure(job_log, {rank: record.log_text(logs[rank], sizes) for rank in chosen})


def _refused(submission: Submission, folder: Path, run: Path) -> str:
    """Why the job must not start once more: a STOP file, or starts that were killed without a word."""
    if KINDS[submission.kind].trains and stopping.stop_file(current(run)).exists():
        return f"a file STOP lies in {run}: somebody wants no training"
    reason = _out_of_tries(submission, folder)
    return f"{reason}; the last one was killed without a word" if reason else ""


def _out_of_tries(submission: Submission, folder: Path) -> str:
    steps = [int(start["step"]) for start in record.starts(folder)]
    return out_of_tries(steps, _progress(submission).step, submission.max_tries)


def _progress(submission: Submission) -> Progress:
    return progress(submission.kind, Path(submission.run), submission.words)


def _finish(submission: Submission, folder: Path) -> None:
    run = Path(submission.run)
    note_done(submission.kind, run, submission.words, slurm.job_id())
    secrets.forget(run)
    _say(f"done: {submission.kind} in {run} ({folder})")


def _end(folder: Path, reason: str) -> int:
    record.end(folder, slurm.job_id(), reason)
    _say(f"ended, and not started again: {reason}")
    return ENDED


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} langadapt: {text}", flush=True)


ACTIONS: dict[str, Callable[[Path, str], int]] = {
    "begin": begin,
    "next": queue_next,
    "stop": stop,
    "bad-nodes": bad_nodes,
    "end": end,
}


def main(words: list[str]) -> int:
    """Runs one action for the job script."""
    action, folder, *rest = words
    try:
        return ACTIONS[action](Path(folder), rest[0] if rest else "")
    except (LangadaptError, OSError) as error:
        _say(f"error: {error}")
        return ENDED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
