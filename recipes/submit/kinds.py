"""What can be submitted: which verb does it, which folder is the run's, how many ranks it has."""

import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep import settings
from recipes import config
from recipes.known_keys import Schema
from recipes.submit.site import Site

DATA_KEYS = ("model.data.data_prefix", "model.tokenizer.model")
"""What a blend's fragment brings, which an earlier stage of a pipeline may still have to write."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the words after `langadapt submit`.

    Attributes:
        verb: The words of the command line it runs.
        schema: Of a training verb, which upstream YAML its config follows.
        settings: Of any other, `module:class` of its settings.
        output: The key that names what it makes.
        on_gpu: Whether one GPU helps; training goes by `trainer.accelerator`.
    """

    verb: tuple[str, ...]
    schema: Schema | None = None
    settings: str = ""
    output: str = "output"
    on_gpu: bool = False

    @property
    def trains(self) -> bool:
        """Whether it is a run of many ranks with checkpoints."""
        return self.schema is not None


def _training(verb: str, schema: Schema) -> Kind:
    return Kind(verb=(verb,), schema=schema, output="exp_manager.explicit_log_dir")


KINDS: dict[str, Kind] = {
    "data": Kind(verb=("prep",), settings="data_prep.prep_settings:PrepSettings", output="output_dir"),
    "blend": Kind(verb=("blend",), settings="data_prep.blend.settings:BlendSettings"),
    "pretrain": _training("pretrain", "pretrain"),
    "cpt": _training("cpt", "pretrain"),
    "sft": _training("sft", "sft"),
    "dpo": _training("dpo", "dpo"),
    "convert": Kind(verb=("convert", "to-hf"), settings="recipes.convert.to_hf:ToHfSettings", on_gpu=True),
    "eval": Kind(verb=("evaluate",), settings="recipes.evaluate.settings:EvaluateSettings", on_gpu=True),
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """One command, as a job runs it.

    Attributes:
        kind: A key of KINDS.
        words: Its command line, verb first.
        folder: The run folder, absolute: logs, scripts and DONE go there.
        nodes: Machines.
        ranks_per_node: Tasks on each.
        gpus_per_node: Cards on each.
        values: The resolved configuration.
        absent: Configuration files that an earlier stage has yet to write, left out of `values`.
    """

    kind: str
    words: tuple[str, ...]
    folder: Path
    nodes: int = 1
    ranks_per_node: int = 1
    gpus_per_node: int = 0
    values: dict[str, Any]
    absent: tuple[Path, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether it is a run with checkpoints."""
        return KINDS[self.kind].trains

    @property
    def ranks(self) -> int:
        """Tasks of the job."""
        return self.nodes * self.ranks_per_node


def resolve(kind: str, configs: Sequence[Path], overrides: Sequence[str], site: Site) -> Work:
    """A command with its configuration read.

    A preparation of data becomes one of array jobs: the site says where they run as far as its YAML does not.

    Raises:
        UsageError: The verb would refuse the configuration for its keys or values.
    """
    present = [path for path in configs if path.exists()]
    absent = tuple(path for path in configs if not path.exists())
    if kind == "data":
        overrides = [*_array_jobs(present, overrides, site), *overrides]
    words = (*KINDS[kind].verb, *map(str, configs), *overrides)
    if KINDS[kind].trains:
        return _training_work(kind, words, present, list(overrides), absent)
    module, name = KINDS[kind].settings.split(":")
    read = settings.load(getattr(importlib.import_module(module), name), present, overrides)
    return Work(
        kind=kind,
        words=words,
        folder=_beside(Path(getattr(read, KINDS[kind].output)), is_folder=kind == "data"),
        gpus_per_node=int(KINDS[kind].on_gpu),
        values=_plain(asdict(read)),
        absent=absent,
    )


def _training_work(
    kind: str, words: tuple[str, ...], configs: list[Path], overrides: list[str], absent: tuple[Path, ...]
) -> Work:
    schema = KINDS[kind].schema or "pretrain"
    resolved = config.load(configs, overrides, schema, may_be_open=DATA_KEYS if absent else ())
    nodes, devices = int(resolved.trainer.num_nodes), int(resolved.trainer.devices)
    return Work(
        kind=kind,
        words=words,
        folder=Path(resolved.exp_manager.explicit_log_dir).absolute(),
        nodes=nodes,
        ranks_per_node=devices,
        gpus_per_node=0 if resolved.trainer.accelerator == "cpu" else devices,
        values=_container(resolved),
        absent=absent,
    )


def _array_jobs(configs: list[Path], overrides: Sequence[str], site: Site) -> list[str]:
    """Overrides that send the shards of a preparation to the queue as well."""
    from data_prep.prep_settings import PrepSettings

    told = settings.load(PrepSettings, configs, overrides).slurm
    if any(word.startswith("executor=") for word in overrides):
        return []
    partition = site.cpu_partition or site.partition
    own = {
        "slurm.partition": partition if not told.partition else "",
        "slurm.qos": site.qos if told.qos is None else "",
        "slurm.sbatch_args.account": site.account if "account" not in told.sbatch_args else "",
    }
    return ["executor=slurm", *(f"{key}={value}" for key, value in own.items() if value)]


def _container(cfg: DictConfig) -> dict[str, Any]:
    values: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    return values


def _beside(output: Path, *, is_folder: bool) -> Path:
    """The run folder of work that makes one thing: data preparation keeps it inside, others beside their output."""
    return output.absolute() if is_folder else output.with_name(f"{output.name}.run").absolute()


def _plain(value: Any) -> Any:
    """Settings as YAML can hold them."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
