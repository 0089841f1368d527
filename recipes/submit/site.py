"""Facts of one Slurm site, the section `slurm` of a file of `nemo_configs/cluster/`."""

import re
from dataclasses import dataclass, field
from typing import Literal

RuntimeName = Literal["none", "pyxis", "apptainer", "singularity", "docker", "auto"]


@dataclass(frozen=True, kw_only=True)
class Container:
    """What the ranks run in; its options go to srun, never to sbatch."""

    runtime: RuntimeName = "none"
    """none: the Python that submits, or `venv`. auto: what the login node has, said in a line."""
    image: str = ""
    """A file (.sqsh, .sif) or a registry's name, in the runtime's own spelling."""
    mounts: tuple[str, ...] = ()
    """SOURCE[:TARGET[:ro]]; the checkout and the folders of the run are mounted anyway."""
    workdir: str = ""
    """Where the command starts inside; by default the checkout, under the path it has outside."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """How jobs are asked for on one Slurm cluster."""

    partition: str = ""
    """By default the site's own default partition."""
    cpu_partition: str = ""
    """For work without GPUs: data preparation, blending; by default `partition`."""
    account: str = ""
    qos: str = ""
    time: str = "04:00:00"
    """Limit of one job, in Slurm's forms; a run that needs longer takes several, one after the other."""
    cpus_per_task: int = 8
    """Cores of a rank."""
    gpus: Literal["gpus", "gres", "none"] = "gpus"
    """How GPUs are asked for: --gpus-per-node, the older --gres=gpu:N, or not at all (CPU partitions)."""
    gpu_type: str = ""
    """As the site spells it, e.g. a100; by default any."""
    constraint: str = ""
    exclude: str = ""
    """Nodes to stay away from, e.g. n[3,17]."""
    sbatch: dict[str, str] = field(default_factory=dict)
    """Any other option of sbatch, without its dashes: {exclusive: "", mem: "0", mail-user: me@lab}."""
    requeue: Literal[True, False, "chain"] = True
    """chain: for sites that forbid requeue; the next job is in the queue before this one ends (singleton)."""
    max_tries_without_progress: int = 3
    """Starts in a row that may end without a newer checkpoint."""
    stop_seconds: int = 600
    """Before the limit: the run ends itself with a checkpoint (exp_manager.max_time_per_run)."""
    signal_seconds: int = 300
    """Before the limit: Slurm's warning, should the run still be going."""
    node_check: bool = True
    """Look at every node before the ranks start (`recipes.submit.node_check`)."""
    hang_minutes: float = 30.0
    """Without a new step, stacks are written and the step is cancelled; 0: no watchdog."""
    setup: tuple[str, ...] = ()
    """Shell lines before anything else, e.g. `module load cuda/12.4`. No secrets: they stay in the script."""
    venv: str = ""
    """A virtual environment other than the one that submits."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the ranks beside those of `recipes.submit.environment`. No secrets."""
    container: Container = field(default_factory=Container)

    def __post_init__(self) -> None:
        limit = seconds(self.time)
        for name in ("cpus_per_task", "max_tries_without_progress"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, the least is 1\nslurm.{name}=1")
        if not 60 <= self.signal_seconds < self.stop_seconds < limit:
            raise ValueError(
                f"signal_seconds {self.signal_seconds}, stop_seconds {self.stop_seconds} and a limit of {limit} s "
                "do not follow each other: first the run stops itself, then Slurm warns it, then it is killed\n"
                "slurm.signal_seconds=300 slurm.stop_seconds=600 slurm.time=04:00:00; no less than 60 (Slurm's clock)"
            )
        if self.hang_minutes < 0:
            raise ValueError(f"hang_minutes is {self.hang_minutes}\nslurm.hang_minutes=30, or 0 for no watchdog")


def seconds(limit: str) -> int:
    """Seconds of a limit as sbatch reads it: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS.

    Raises:
        ValueError: It is none of these.
    """
    if not re.fullmatch(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}", limit):
        raise ValueError(f"time is {limit!r}, which is no limit of Slurm's\nslurm.time=04:00:00, or 2-00:00:00")
    days, _, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        hours, minutes, second = [*parts, 0, 0][:3]
    elif len(parts) < 3:
        hours, minutes, second = 0, parts[0], [*parts, 0][1]
    else:
        hours, minutes, second = parts
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + second
