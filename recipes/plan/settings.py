"""What `langadapt plan` may be told beside the training configuration it plans."""

from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """Words without a dot on the command line; all others change the training configuration."""

    cluster: str = "a100-80gb"
    """A file of nemo_configs/cluster/ by its name, or the path of one."""
    nodes: int | None = None
    """Of the cluster, all their cards; by default what `trainer` says."""
    mfu: float | None = None
    """Instead of the cluster's."""
    price_per_gpu_hour: float | None = None
    """Instead of the cluster's."""
    output: Path | None = None
    """JSON file for every figure."""

    def __post_init__(self) -> None:
        if self.nodes is not None and self.nodes < 1:
            raise ValueError(f"nodes is {self.nodes}, the least is 1\nnodes=16")

    def for_cluster(self) -> list[str]:
        """Those that replace a value of the cluster, as overrides."""
        values = {"mfu": self.mfu, "price_per_gpu_hour": self.price_per_gpu_hour}
        return [f"{name}={value}" for name, value in values.items() if value is not None]


def split(overrides: list[str]) -> tuple[list[str], list[str]]:
    """The overrides that are ours, and those of the training configuration."""
    names = {field.name for field in fields(PlanSettings)}
    ours = [word for word in overrides if word.lstrip("+").partition("=")[0] in names]
    return ours, [word for word in overrides if word not in ours]
