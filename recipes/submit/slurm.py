"""The few questions and orders for Slurm's own commands."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from data_prep.errors import LangadaptError

RANKS = "ranks"
"""Name of the step that trains, among those of a job."""


class SbatchRefused(LangadaptError):
    """Slurm does not take the job as it is."""


def is_there() -> bool:
    """Whether this machine can submit."""
    return shutil.which("sbatch") is not None


def sbatch(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Runs sbatch; returns what it printed.

    Raises:
        SbatchRefused: With Slurm's own reason.
    """
    done = subprocess.run(["sbatch", *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SbatchRefused(
            f"sbatch refused the job: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}",
            where=words[-1],
            why="nothing was queued",
            fix="cluster.slurm.partition=, .account=, .qos=, .time=, .gpus= (docs/slurm.md)\n"
            "`sinfo -o '%P %l %G %D'` lists partitions, their limits and GPUs",
        )
    return done.stdout.strip()


def queued(name: str) -> list[str]:
    """Ids of this user's jobs of that name that wait or run."""
    words = ["squeue", "--noheader", f"--user={getpass.getuser()}", f"--name={name}", "--format=%i"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LangadaptError(
            f"squeue does not answer: {done.stderr.strip()}",
            where="squeue",
            why="a second job of the same run would fight with the first over its folder",
            fix="try again when the controller answers (scontrol ping)",
        )
    return done.stdout.split()


def job_id(environment: Mapping[str, str] = os.environ) -> str:
    """The id of the running job; of an array's task its own, since the last task carries the id of the whole."""
    array = environment.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{environment['SLURM_ARRAY_TASK_ID']}" if array else environment["SLURM_JOB_ID"]


def step_called(name: str, job: str) -> str | None:
    """The id of a job's running step of that name."""
    words = ["squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i %j"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    pairs = [line.split() for line in done.stdout.splitlines()]
    return next((pair[0] for pair in pairs if pair[1:] == [name]), None)


def signal_step(step: str, signal: str) -> None:
    """Sends a signal to every task of a step."""
    subprocess.run(["scancel", f"--signal={signal}", step], check=False)


def cancel(target: str) -> None:
    """Cancels a job or a step; one that has ended is no error."""
    subprocess.run(["scancel", "--quiet", target], check=False)
