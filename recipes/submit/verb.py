"""Verb `submit`: everything is looked at and written down first, then Slurm is asked, then the job is queued."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from data_prep import secrets, settings
from data_prep.errors import UsageError
from data_prep.files import atomic_write
from data_prep.layout import REPOSITORY_ROOT
from recipes import launch
from recipes.plan.cluster import Cluster, find
from recipes.submit import record, slurm
from recipes.submit.kinds import Work, resolve
from recipes.submit.progress import progress
from recipes.submit.record import Submission
from recipes.submit.script import Plan, ranks_step, render

VERSIONS = ("langadapt", "torch", "nemo-toolkit", "megatron-core", "nemo-aligner", "transformers", "datatrove")


@dataclass(frozen=True, kw_only=True)
class SubmitSettings:
    """Words that are the submit's own; `cluster.KEY=value` changes the cluster, all others are the verb's."""

    action: Literal["data", "blend", "pretrain", "cpt", "sft", "dpo", "convert", "eval", "pipeline"]
    cluster: str = "a100-80gb"
    """A file of nemo_configs/cluster/ by its name, or the path of one."""


def split(overrides: Sequence[str]) -> tuple[SubmitSettings, list[str], list[str]]:
    """The submit's own settings, overrides of the cluster, and words of the verb."""
    own = [word for word in overrides if word.partition("=")[0] in ("action", "cluster")]
    of_cluster = [word for word in overrides if word.startswith("cluster.")]
    rest = [word for word in overrides if word not in own and word not in of_cluster]
    read = settings.load(SubmitSettings, [], own)
    return read, [word.removeprefix("cluster.") for word in of_cluster], rest


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Submits one job, or a pipeline of them."""
    own, of_cluster, rest = split(overrides)
    if own.action == "pipeline":
        from recipes.submit import pipeline

        words = [*(word for word in overrides if word.startswith("cluster=")), *rest]
        return pipeline.run(configs, words, of_cluster, dry_run=dry_run)
    cluster = find(own.cluster, of_cluster)
    work = resolve(own.action, configs, rest, cluster.slurm)
    if progress(work.kind, work.folder, work.words).done:
        print(f"submit: {work.kind} is done already in {work.folder}")
        return 0
    plan = make_plan(work, cluster, own.cluster)
    if dry_run:
        print(render(plan), end="")
        return 0
    from recipes.submit.preflight import preflight  # which reads with the modules of every stage

    for line in [*preflight(work, cluster), ranks_step(plan).said]:
        print(f"submit: {line}")
    print(f"submit: {work.kind} is job {submit(plan)}; its logs: {plan.logs}")
    return 0


def job_name(work: Work) -> str:
    """Names a run in the queue: `singleton` and a second submit go by it, so it holds a hash of the folder."""
    digest = hashlib.sha256(str(work.folder).encode()).hexdigest()[:8]
    readable = re.sub(r"[^\w.-]", "_", work.folder.name, flags=re.ASCII)
    return f"{work.kind}-{readable}-{digest}"


def make_plan(work: Work, cluster: Cluster, cluster_name: str) -> Plan:
    """The job of some work; writes nothing.

    Raises:
        UsageError: A key stands where others could read it, or the file of keys is open to others.
    """
    secrets.refuse_in_settings(cluster.slurm.environment, "cluster.slurm.environment")
    values = secrets.collect(tuple(_key_variables(work.values)))
    keys = secrets.Handed(path=secrets.private_path(work.folder), values=values) if values else None
    plan = Plan(
        name=job_name(work),
        work=work,
        cluster=cluster,
        cluster_name=cluster_name,
        folder=record.next_folder(work.folder),
        command=shlex.join(["langadapt", *(word for word in sys.argv[1:] if word != "--dry-run")]),
        keys=keys,
    )
    if keys:
        keys.refuse_in(f"{plan.command}\n{render(plan)}\n{OmegaConf.to_yaml(work.values)}", str(plan.folder))
    return plan


def _key_variables(values: Any) -> Iterator[str]:
    """Names of variables that a configuration says hold keys."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        if key == "key_variable" and isinstance(value, str) and value:
            yield value
        else:
            yield from _key_variables(value)


def submit(plan: Plan, dependencies: Sequence[str] = ()) -> str:
    """Writes everything down, has Slurm look at the script, and queues it; returns the job's id.

    Raises:
        UsageError: There is no Slurm here, or a job of this run waits or runs already.
        SbatchRefused: Slurm does not take the job; what was written stays, to be looked at.
    """
    if not slurm.is_there():
        raise UsageError(
            "there is no sbatch on this machine",
            where="PATH",
            fix="submit from a login node of the cluster\nor --dry-run to see the script",
        )
    refuse_second(plan)
    submission = save(plan)
    environment = secrets.without(os.environ, plan.keys)
    script = str(plan.folder / record.SCRIPT)
    after = [f"--dependency=afterok:{':'.join(dependencies)}"] if dependencies else []
    slurm.sbatch(["--test-only", script], environment)
    job = slurm.sbatch(["--parsable", *after, script], environment).partition(";")[0]
    submission.with_job(job).write(plan.folder)
    return job


def refuse_second(plan: Plan) -> None:
    """Refuses a second job of a run.

    Raises:
        UsageError: With the id of the first.
    """
    if jobs := slurm.queued(plan.name):
        raise UsageError(
            f"job {', '.join(jobs)} of this run waits or runs already",
            where=str(plan.work.folder),
            why="Two jobs would fight over the run folder.",
            fix=f"wait for it: squeue --job {jobs[0]}\nscancel {jobs[0]} to replace it",
        )


def save(plan: Plan) -> Submission:
    """Leaves script, configuration, code state, versions and keys before Slurm is asked."""
    plan.logs.mkdir(parents=True)
    texts = {record.SCRIPT: render(plan), "config.yaml": _config_text(plan.work), "code.diff": _uncommitted()}
    for name, text in texts.items():
        with atomic_write(plan.folder / name) as file:
            file.write(text.encode())
    (plan.folder / record.SCRIPT).chmod(0o755)
    if plan.keys:
        secrets.hand_over(plan.work.folder, tuple(_key_variables(plan.work.values)))
    submission = Submission(
        name=plan.name,
        kind=plan.work.kind,
        words=plan.work.words,
        run=str(plan.work.folder),
        command=plan.command,
        time=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        git=dict(launch.git_state()),
        versions={name: found for name in VERSIONS if (found := _version(name))},
        cluster=plan.cluster_name,
        max_tries=plan.site.max_tries_without_progress,
        signal_seconds=plan.site.signal_seconds,
        hang_minutes=plan.site.hang_minutes,
        requeue=plan.site.requeue,
    )
    submission.write(plan.folder)
    return submission


def _config_text(work: Work) -> str:
    absent = "".join(f"# without {path}, which an earlier stage has yet to write\n" for path in work.absent)
    return absent + OmegaConf.to_yaml(OmegaConf.create(work.values))


def _uncommitted() -> str:
    """What the checkout differs from its commit by; empty without git."""
    if not shutil.which("git"):
        return ""
    done = subprocess.run(
        ["git", "diff", "HEAD"], cwd=REPOSITORY_ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    return done.stdout


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
