"""Where the tasks run: the keys `executor`, `slurm` and `ray` of a preparation."""

from dataclasses import dataclass, field
from typing import Literal

ExecutorName = Literal["local", "slurm", "ray"]


@dataclass(frozen=True, kw_only=True)
class SlurmSettings:
    """How array jobs are submitted; `workers` limits how many of a step's tasks run at once."""

    partition: str = ""
    """Required with `executor: slurm`."""
    time: str = "24:00:00"
    """Limit of one task, which is one shard; a task that hits it is done again by the next run."""
    cpus_per_task: int = 1
    mem_per_cpu_gb: int = 4
    qos: str | None = None
    max_array_size: int = 1001
    """Slurm's own default limit (MaxArraySize); more tasks become several jobs."""
    sbatch_args: dict[str, str] = field(default_factory=dict)
    """Anything else for sbatch, e.g. {account: nlp, constraint: cpu}."""
    poll_seconds: float = 15.0
    """How often the queue is asked whether the jobs have ended."""

    def __post_init__(self) -> None:
        if self.poll_seconds <= 0:
            raise ValueError(f"slurm.poll_seconds {self.poll_seconds} is not a time to wait\ne.g. 15")


@dataclass(frozen=True, kw_only=True)
class RaySettings:
    """Which Ray cluster, and what a task reserves there; `workers` limits how many tasks run at once."""

    address: str | None = None
    """e.g. auto, ray://head:10001; null starts Ray on this machine."""
    mem_per_cpu_gb: float = 2.0
