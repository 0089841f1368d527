"""The sbatch script of a job: one short bash file, from facts of the site and of the work."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_prep import secrets
from data_prep.layout import REPOSITORY_ROOT
from recipes.plan.cluster import Cluster
from recipes.submit import runtime, slurm
from recipes.submit.environment import environment
from recipes.submit.kinds import Work
from recipes.submit.site import Site, seconds

WAIT_SECONDS = 1800
"""srun ends what is left so long after the first rank has left well. In NeMo 2.1.0 all ranks but 0 leave while that one
packs the final .nemo (nlp_overrides.py, save_to: the barrier stands before it); a failing rank ends all at once."""
NODE_CHECK_MINUTES = 10
"""A node that hangs is given up then; a check takes some seconds, up to 3 minutes where nodes do not answer."""
PYTHON_INSIDE = "python"
"""Of a container's image."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job that is about to be submitted.

    Attributes:
        name: Of the job; no other run has it.
        work: What it runs.
        cluster: What it runs on.
        cluster_name: As it was named.
        folder: RUN/slurm/N: script, config, logs.
        command: The command line that submits it, for people.
        keys: Secrets in their private file, if there are any.
    """

    name: str
    work: Work
    cluster: Cluster
    cluster_name: str
    folder: Path
    command: str
    keys: secrets.Handed | None = None

    @property
    def site(self) -> Site:
        """The cluster's section `slurm`."""
        return self.cluster.slurm

    @property
    def logs(self) -> Path:
        """One file a rank, and the script's own."""
        return self.folder / "log"

    @property
    def on_gpus(self) -> bool:
        """Whether GPUs are asked for."""
        return self.work.gpus_per_node > 0 and self.site.gpus != "none"

    @property
    def cpus(self) -> int:
        """Cores of a task; the driver of a data preparation waits for its array jobs."""
        return 1 if self.work.kind == "data" else self.site.cpus_per_task


def render(plan: Plan) -> str:
    """The script's text."""
    loader = FileSystemLoader(Path(__file__).parent)
    jinja = Environment(  # noqa: S701  bash, not HTML; every value is quoted for the shell
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return jinja.get_template("job.sbatch.jinja").render(_values(plan))


def _values(plan: Plan) -> dict[str, Any]:
    site, work = plan.site, plan.work
    variables = _variables(plan)
    step = ranks_step(plan)
    python = quote(sys.executable)
    inside = PYTHON_INSIDE if step.runtime != "none" else f"{site.venv}/bin/python" if site.venv else sys.executable
    return {
        "title": f"langadapt {' '.join(work.words[:1])} in {work.folder}",
        "command": plan.command.replace("\n", " "),
        "options": sbatch_options(plan),
        "setup": site.setup,
        "repository": quote(str(REPOSITORY_ROOT)),
        "python": python,
        "job_folder": quote(str(plan.folder)),
        "secrets": plan.keys.script_lines() if plan.keys else "",
        "environment": [(name, quote(value)) for name, value in variables.items()],
        "node_check": _node_check(plan, step, inside) if work.trains and site.node_check else None,
        "runtime": step.said,
        "cleanup": _words(step.cleanup),
        "srun": [quote(option) for option in (*srun_options(plan), *step.srun)],
        "rank_command": _words([*step.prefix, inside, "-m", "recipes.cli", *rank_words(plan)]),
        "ranks": slurm.RANKS,
        "watchdog": work.trains and site.hang_minutes > 0,
        "chain": site.requeue == "chain",
        "requeue": site.requeue is True,
    }


def _variables(plan: Plan) -> dict[str, str]:
    return {**environment(plan.logs, plan.cpus), **plan.site.environment}


def ranks_step(plan: Plan) -> runtime.Step:
    """How ranks enter their container; the driver of a data preparation calls sbatch, which no image holds."""
    container = plan.site.container
    if plan.work.kind == "data":
        return runtime.Step(runtime="none", said="runtime: none, the driver of a data preparation calls sbatch itself")
    of_job = ("MASTER_ADDR", "MASTER_PORT", "LANGADAPT_STARTED", "PYTHONPATH")
    names = [*_variables(plan), *of_job, *(plan.keys.names if plan.keys else ())]
    folders = [Path.cwd(), REPOSITORY_ROOT, plan.work.folder]
    return runtime.step(container, run_folder=plan.work.folder, folders=folders, passed=names, on_gpus=plan.on_gpus)


def _node_check(plan: Plan, step: runtime.Step, inside: str) -> dict[str, str]:
    """Words of the two halves of `recipes.submit.node_check`: in every node's environment of the ranks, and here."""
    gpus = plan.work.gpus_per_node if plan.on_gpus else 0
    about = [str(plan.folder), f"--gpus={gpus}", f"--gpu-type={plan.site.gpu_type}"]
    program = ["-m", "recipes.submit.node_check"]
    return {
        "srun": _words([f"--time={NODE_CHECK_MINUTES}", f"--cpus-per-task={plan.cpus}", "--export=ALL", *step.srun]),
        "look": _words([*step.prefix, inside, *program, "look", *about]),
        "judge": _words([sys.executable, *program, "judge", str(plan.folder)]),
    }


def rank_words(plan: Plan) -> list[str]:
    """The command line of a rank: the work's, and a limit of its own below that of the job."""
    words = list(plan.work.words)
    if not plan.work.trains:
        return words
    own = plan.work.values["exp_manager"].get("max_time_per_run")
    return [*words, f"exp_manager.max_time_per_run={limit(plan.site, own)}"]


def limit(site: Site, own: str | None) -> str:
    """`exp_manager.max_time_per_run` of a job's ranks, DD:HH:MM:SS: the sooner of the job's and the config's own."""
    from recipes.stopping import seconds as of_run

    left = seconds(site.time) - site.stop_seconds
    if own:
        left = min(left, int(of_run(own)))
    minutes, second = divmod(left, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day:02}:{hour:02}:{minute:02}:{second:02}"


def sbatch_options(plan: Plan) -> list[str]:
    """What stands behind #SBATCH; nothing about containers, which some sites' sbatch does not know."""
    site, work = plan.site, plan.work
    partition = site.partition if plan.on_gpus or not site.cpu_partition else site.cpu_partition
    given = {
        "job-name": plan.name,
        "partition": partition,
        "account": site.account,
        "qos": site.qos,
        "nodes": work.nodes,
        "ntasks-per-node": work.ranks_per_node,
        "cpus-per-task": plan.cpus,
        **(_gpus(plan) if plan.on_gpus else {}),
        "time": site.time,
        "signal": f"B:USR2@{site.signal_seconds}",
        "constraint": site.constraint,
        "exclude": site.exclude,
        "chdir": str(Path.cwd()),
        "output": f"{plan.logs}/job.log".replace("%", "%%"),
        "open-mode": "append",
        "kill-on-invalid-dep": "yes",
    }
    switch = "--requeue" if site.requeue is True else "--no-requeue"
    named = {name: value for name, value in {**given, **site.sbatch}.items() if value or name in site.sbatch}
    return [
        switch,
        *(f"--{name}={_in_comment(value)}" if value != "" else f"--{name}" for name, value in named.items()),
    ]


def _gpus(plan: Plan) -> dict[str, str]:
    kind = f"{plan.site.gpu_type}:" if plan.site.gpu_type else ""
    count = plan.work.gpus_per_node
    if plan.site.gpus == "gres":
        return {"gres": f"gpu:{kind}{count}"}
    return {"gpus-per-node": f"{kind}{count}"}


def srun_options(plan: Plan) -> list[str]:
    """One task a rank; cores are asked for again, which srun does not inherit since Slurm 22.05."""
    work = plan.work
    log = f"{plan.logs}/rank-%5t.log".replace("%", "%%").replace("%%5t", "%5t")
    return [
        f"--nodes={work.nodes}",
        f"--ntasks={work.ranks}",
        f"--ntasks-per-node={work.ranks_per_node}",
        f"--cpus-per-task={plan.cpus}",
        "--kill-on-bad-exit=1",
        f"--wait={WAIT_SECONDS}",
        "--export=ALL",
        "--open-mode=append",
        f"--output={log}",
    ]


def _in_comment(value: object) -> str:
    """A value on an #SBATCH line, which sbatch splits at spaces outside quotes."""
    text = str(value)
    return f'"{text}"' if any(character in text for character in " \t#;'&()") else text


def _words(words: Iterable[str]) -> str:
    return " ".join(map(quote, words))
