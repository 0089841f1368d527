"""What is looked at on the login node before anything is queued: all that is wrong comes in one message."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UsageError
from recipes.plan.cluster import Cluster


class PreflightFailed(UsageError):
    """Something would stop the job, minutes or days from now."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is about to be submitted.

    Attributes:
        verb: A verb of the command line: prep, pretrain, cpt, sft, dpo, convert, evaluate.
        configs: Its YAML files.
        overrides: Its `key=value` words.
        run_folder: Where it writes.
        cluster: What it runs on, site included.
        nodes: Of the job.
        ranks_per_node: Tasks on each, one a GPU where there are GPUs.
        waits: Whether files it reads are yet to be made by jobs before it: they are not looked for.
    """

    verb: str
    configs: tuple[Path, ...]
    overrides: tuple[str, ...]
    run_folder: Path
    cluster: Cluster
    nodes: int
    ranks_per_node: int
    waits: bool = False


def preflight(job: Job) -> list[str]:
    """Looks at everything that can be seen from a login node; returns lines about what it cannot tell.

    Raises:
        PreflightFailed: With every failure, each one instruction.
    """
    raise NotImplementedError(job)
