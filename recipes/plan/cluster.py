"""What a run is planned for: cards, what they reach and cost, how fast they talk. Values: `nemo_configs/cluster/`."""

from dataclasses import dataclass, field
from pathlib import Path

from data_prep.errors import UsageError
from data_prep.settings import load
from recipes.config import NEMO_CONFIGS
from recipes.submit.site import Site

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Dense matrix rate of a card in 1e12 FLOP/s."""

    bf16: float
    fp32: float


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Nodes of equal cards."""

    name: str
    gpus_per_node: int
    memory_gib: float
    """Of a card, as torch reports it."""
    reserved_gib: float
    """Of it that no tensor can have: CUDA context, NCCL buffers, gaps between the allocator's blocks."""
    peak_tflops: Peak
    mfu: float
    """Model FLOPs utilisation the run is expected to reach, everything included."""
    price_per_gpu_hour: float
    node_gb_per_s: float
    """Between two cards of a node, one direction, 1e9 bytes/s."""
    network_gb_per_s: float
    """A card's share of its node's network, one direction, 1e9 bytes/s."""
    slurm: Site = field(default_factory=Site)
    """How `langadapt submit` asks this cluster for jobs."""

    def __post_init__(self) -> None:
        for name in ("gpus_per_node", "memory_gib", "node_gb_per_s", "network_gb_per_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}\n{name}: a number above 0")
        if not 0 < self.mfu <= 1:
            raise ValueError(f"mfu is {self.mfu}: a share of the cards' peak\nmfu=0.4")

    def peak_flops(self, element_bytes: int) -> float:
        """FLOP/s of one card in the dtype that has so many bytes."""
        return (self.peak_tflops.bf16 if element_bytes == 2 else self.peak_tflops.fp32) * 1e12


def find(name: str, overrides: list[str]) -> Cluster:
    """A shipped cluster by its name, or one of a user's own by the path of its YAML.

    Raises:
        UsageError: There is none, or a value cannot be right.
    """
    folder = NEMO_CONFIGS / "cluster"
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise UsageError(
            f"no cluster {name}",
            where=f"cluster={name}",
            fix=f"cluster= one of {shipped}\nor the path of a YAML with their keys",
        )
    return load(Cluster, [path], overrides)
