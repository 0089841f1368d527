"""The few questions and orders for Slurm's own commands."""

import getpass
import os
import re
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


def hostlist(lists: Sequence[str]) -> str:
    """Lists of nodes as one, in Slurm's spelling, each node once."""
    if not lists:
        return ""
    names = _ask("scontrol", "show", "hostnames", ",".join(lists)).split()
    return _ask("scontrol", "show", "hostlistsorted", ",".join(dict.fromkeys(names))).strip()


def excluded(job: str) -> list[str]:
    """The list of nodes a job stays away from, if it has one."""
    found = re.search(r"\bExcNodeList=(\S+)", _ask("scontrol", "show", "job", job, "--oneliner"))
    return [found[1]] if found and found[1] != "(null)" else []


def requeue(job: str) -> str:
    """Puts a running job back into the queue and so ends it; Slurm's words where it refuses, else empty."""
    return _refusal("scontrol", "requeue", job)


def exclude(job: str, nodes: str) -> str:
    """Has a job stay away from these nodes alone, which Slurm refuses of one that runs; its words, else empty."""
    return _refusal("scontrol", "update", f"JobId={job}", f"ExcNodeList={nodes}")


def _refusal(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}" if done.returncode else ""


def _ask(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


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
