"""A Slurm cluster: a step is an array job, a task is one array element, and this process waits for its end.

Waiting keeps one obvious way on every machine: stages are planned from what earlier ones left, so the driver must see
them end. It is light and may be killed at any time: run again, it waits for jobs still in the queue and then does what
has no receipt.
"""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from data_prep import secrets
from data_prep.console import Progress
from data_prep.errors import LangadaptError, UsageError
from data_prep.executor.ranks import QuietRanks
from data_prep.executor.settings import SlurmSettings
from data_prep.layout import REPOSITORY_ROOT

_JOBS = "jobs.txt"


class SlurmExecutor(QuietRanks, SlurmPipelineExecutor):  # type: ignore[misc]
    """Submits the ranks and waits for them."""

    def __init__(
        self, steps: Sequence[PipelineStep], *, name: str, tasks: int, workers: int, logs: Path, slurm: SlurmSettings
    ) -> None:
        super().__init__(
            list(steps),
            tasks=tasks,
            workers=workers,
            job_name=name,
            logging_dir=str(logs),
            skip_completed=False,
            time=slurm.time,
            partition=slurm.partition,
            cpus_per_task=slurm.cpus_per_task,
            mem_per_cpu_gb=slurm.mem_per_cpu_gb,
            qos=slurm.qos,
            max_array_size=slurm.max_array_size,
            max_array_launch_parallel=True,
            sbatch_args=dict(slurm.sbatch_args),
            env_command=_environment(),
            job_id_retriever=_JobIds(logs / _JOBS),
        )
        self.logs, self.poll_seconds = logs, slurm.poll_seconds

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, object]:
        """Those of datatrove, the paths of logs in quotes: sbatch splits its lines at spaces."""
        own = super().get_sbatch_args(max_array)
        return {name: f'"{value}"' if name in ("output", "error") else value for name, value in own.items()}

    def get_launch_file_contents(self, sbatch_args: dict[str, object], run_script: str) -> str:
        """The script of datatrove, the path in its command quoted for the shell."""
        path = self.logging_dir.resolve_paths("executor.pik")
        return str(super().get_launch_file_contents(sbatch_args, run_script.replace(path, shlex.quote(path))))

    def launch_merge_stats(self) -> None:
        """Nothing: receipts hold the counts."""

    def run_all(self, progress: Progress, finished: Callable[[], int], key_variables: tuple[str, ...]) -> None:
        """Submit, then wait until no job of this step is in the queue.

        Keys go to the tasks through a private file: Slurm keeps the environment that sbatch inherits.
        """
        keys = secrets.hand_over(self.logs, key_variables)
        self.env_command += f"\n{keys.script_lines()}" if keys else ""
        try:
            with secrets.hidden(keys):
                self.launch_job()
        except subprocess.CalledProcessError as error:
            if not read_jobs(self.logs):
                secrets.forget(self.logs)
            raise LangadaptError(
                f"sbatch refused the job (exit code {error.returncode}); its message is above",
                where=str(self.logs / "launch_script.slurm"),
                fix="check slurm.partition, slurm.time, slurm.qos and slurm.sbatch_args against your site's limits",
            ) from error
        wait_for(read_jobs(self.logs), self.poll_seconds, lambda: progress.set(finished()))
        forget_jobs(self.logs)


class _JobIds:
    """Reads a job id from sbatch's answer and writes it down; part of the pickled executor."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, answer: str) -> str:
        job = answer.rsplit(maxsplit=1)[-1]
        with self.path.open("a") as file:
            file.write(f"{job}\n")
        return job


def _environment() -> str:
    """The job's shell finds the same Python and the same checkout."""
    return f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{REPOSITORY_ROOT}:$PYTHONPATH"'


def check(slurm: SlurmSettings) -> None:
    """Refuse what cannot be submitted, before any work."""
    if not slurm.partition:
        raise UsageError(
            "executor=slurm needs a partition",
            where="slurm.partition",
            fix="slurm.partition=NAME; `sinfo` lists those of this cluster",
        )
    if not shutil.which("sbatch"):
        raise UsageError(
            "executor=slurm, but there is no sbatch on this machine",
            where="PATH",
            fix="run this on a login node of the cluster, or executor=local",
        )


def read_jobs(logs: Path) -> list[str]:
    """Ids of the jobs of this step that may still be in the queue."""
    path = logs / _JOBS
    return path.read_text().split() if path.is_file() else []


def wait_for(jobs: Sequence[str], poll_seconds: float, tick: Callable[[], None]) -> None:
    """Return when none of the jobs is in the queue any more."""
    while _in_queue(jobs):
        time.sleep(poll_seconds)
        tick()


def forget_jobs(logs: Path) -> None:
    """The jobs have ended, and need their keys no more."""
    secrets.forget(logs)
    (logs / _JOBS).unlink(missing_ok=True)


def _in_queue(jobs: Sequence[str]) -> bool:
    """Whether squeue still knows one of the jobs; it fails for ids that are long gone."""
    for job in jobs:
        done = subprocess.run(["squeue", "--noheader", f"--jobs={job}"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return True
        if done.returncode != 0 and "Invalid job id" not in done.stderr:
            return True  # the controller does not answer: ask again later
    return False
