"""A training configuration, and the files it names as far as they are there, as `Work` and `Placement`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from data_prep import vocabulary
from data_prep.errors import UsageError
from recipes import config
from recipes.checks.checkpoint import merged_model, vocabulary_sizes
from recipes.checks.layout import Layout
from recipes.checks.values import whole
from recipes.known_keys import Schema
from recipes.model_shape import padded_vocab_size
from recipes.plan.assumptions import Assumptions
from recipes.plan.cluster import Cluster
from recipes.plan.work import Placement, Precision, Recompute, Work
from recipes.required_keys import EXAMPLES
from recipes.run_settings import run_settings

SECTION = "langadapt.plan"

# What every architecture has to say.
SIZES = (
    "num_layers",
    "hidden_size",
    "ffn_hidden_size",
    "num_attention_heads",
    "encoder_seq_length",
    "max_position_embeddings",
)

# Switches whose effect on memory or time these formulas do not hold.
NOT_MODELLED = {
    "model.fp8": "8-bit activations and their copies",
    "model.fsdp": "weights cut over the data-parallel ranks",
    "model.cpu_offloading": "activations moved to the host",
    "model.num_moe_experts": "experts",
    "model.activations_checkpoint_layers_per_pipeline": "stages that recompute less than others",
    "model.num_micro_batches_with_partial_activation_checkpoints": "micro batches that recompute less than others",
}


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Where a schema keeps what the others keep elsewhere."""

    checkpoint: str
    global_batch: str
    micro_batch: str
    sequence: str


KEYS: dict[Schema, Keys] = {
    "pretrain": Keys(
        checkpoint="model.restore_from_path",
        global_batch="model.global_batch_size",
        micro_batch="model.micro_batch_size",
        sequence="model.data.seq_length",
    ),
    "sft": Keys(
        checkpoint="model.restore_from_path",
        global_batch="model.data.train_ds.global_batch_size",
        micro_batch="model.data.train_ds.micro_batch_size",
        sequence="model.data.train_ds.max_seq_length",
    ),
    "dpo": Keys(
        checkpoint="pretrained_checkpoint.restore_from_path",
        global_batch="model.global_batch_size",
        micro_batch="model.micro_batch_size",
        sequence="model.data.seq_length",
    ),
}


@dataclass(kw_only=True)
class Inputs:
    """A configuration to plan, and what was said about it on the way.

    Attributes:
        schema: Which stage it is.
        cfg: The whole configuration; open paths are null.
        model: The model section that will be built.
        assumed: The section `langadapt.plan`.
        notes: What could not be looked at, and what was taken instead.
    """

    schema: Schema
    cfg: DictConfig
    model: DictConfig
    assumed: Assumptions
    notes: list[str] = field(default_factory=list)

    @property
    def keys(self) -> Keys:
        """Of this schema."""
        return KEYS[self.schema]

    @property
    def checkpoint(self) -> Path | None:
        """The .nemo to start from, if it is there."""
        return existing(OmegaConf.select(self.cfg, self.keys.checkpoint))


def existing(value: Any) -> Path | None:
    """The file a configured value names, if it is there."""
    return Path(value) if isinstance(value, str) and Path(value).is_file() else None


def read(configs: list[Path], overrides: list[str], cluster: Cluster, nodes: int | None) -> Inputs:
    """Reads a configuration as it is: no path in it has to exist yet.

    Raises:
        UsageError: A key is unknown, a value that is no path is missing, or nothing tells the architecture.
    """
    if not configs:
        raise UsageError(
            "no configuration to plan",
            where="command line",
            fix="langadapt plan nemo_configs/cpt/nemotron_mini_4b_hindi.yaml cluster=a100-80gb nodes=16",
        )
    size = [] if nodes is None else _whole_nodes(overrides, cluster, nodes)
    schema = config.schema_of(configs[0])
    cfg = config.load(configs, [*overrides, *size], schema, may_be_open=EXAMPLES)
    inputs = Inputs(schema=schema, cfg=cfg, model=cfg.model, assumed=run_settings(cfg).plan)
    inputs.model = _model(inputs)
    for name in SIZES:
        whole(DictConfig({"model": inputs.model}), f"model.{name}")
    for key, what in NOT_MODELLED.items():
        if OmegaConf.select(cfg, key):
            inputs.notes.append(f"not modelled: {key}, {what}; the figures are without it")
    if OmegaConf.select(cfg, "model.peft.peft_scheme") not in (None, "none"):
        inputs.notes.append("not modelled: model.peft.peft_scheme; the figures are those of training every weight")
    return inputs


def _whole_nodes(overrides: list[str], cluster: Cluster, nodes: int) -> list[str]:
    """The trainer's size for `nodes`."""
    said = [word for word in overrides if word.lstrip("+").startswith(("trainer.num_nodes=", "trainer.devices="))]
    if said:
        raise UsageError(
            f"nodes={nodes} means all {cluster.gpus_per_node} cards of each, and there is {' '.join(said)}, too",
            where="command line",
            fix=f"nodes={nodes}\nor {' '.join(said)}, without nodes=",
        )
    return [f"trainer.num_nodes={nodes}", f"trainer.devices={cluster.gpus_per_node}"]


def _model(inputs: Inputs) -> DictConfig:
    """The section that will be built: for SFT and DPO the checkpoint's with ours laid over it."""
    if inputs.schema == "pretrain":
        return cast("DictConfig", inputs.cfg.model)
    key = inputs.keys.checkpoint
    if inputs.checkpoint:
        return merged_model(inputs.cfg, key)
    name = inputs.assumed.architecture
    if name is None:
        raise UsageError(
            "nothing tells the architecture: there is no checkpoint yet",
            where=f"{key}={OmegaConf.select(inputs.cfg, key)}",
            fix=f"{SECTION}.architecture=nemotron_mini_4b, a file of nemo_configs/model/, or the path of one",
        )
    path = Path(name) if name.endswith(".yaml") else config.NEMO_CONFIGS / "model" / f"{name}.yaml"
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none there"
        raise UsageError(
            f"no architecture {name}", where=f"{SECTION}.architecture", fix=f"{SECTION}.architecture= one of {shipped}"
        )
    inputs.notes.append(f"{key}: no file yet; architecture {name} ({SECTION}.architecture)")
    model = cast("DictConfig", OmegaConf.load(path))
    if OmegaConf.is_missing(model.get("tokenizer", OmegaConf.create({})), "model"):
        model.tokenizer.model = None
    merged = OmegaConf.to_container(OmegaConf.merge(model, inputs.cfg.model), resolve=True)
    return cast("DictConfig", OmegaConf.create(merged))


def vocabulary_rows(inputs: Inputs) -> int:
    """Rows of the embedding table.

    Raises:
        UsageError: Nothing tells how many entries the tokenizer has.
    """
    if override := inputs.model.get("override_vocab_size"):
        return int(override)
    divisor, tensor = inputs.model.get("make_vocab_size_divisible_by", 128), inputs.model.tensor_model_parallel_size
    return padded_vocab_size(_vocabulary(inputs), divisor, tensor)


def _vocabulary(inputs: Inputs) -> int:
    """Entries of the tokenizer: its file's, the checkpoint's, or what the configuration assumes."""
    if inputs.schema == "pretrain" and (file := existing(OmegaConf.select(inputs.cfg, "model.tokenizer.model"))):
        return vocabulary.load(file).size
    if inputs.checkpoint and (size := next(vocabulary_sizes(inputs.checkpoint, inputs.keys.checkpoint), None)):
        return size
    key = f"{SECTION}.vocabulary"
    if inputs.assumed.vocabulary is None:
        raise UsageError(
            "nothing tells the size of the vocabulary: there is no tokenizer yet",
            where="model.tokenizer.model" if inputs.schema == "pretrain" else inputs.keys.checkpoint,
            why="embedding, logits and loss are a large part of a small model",
            fix=f"{key}=256000 for Nemotron-4's tokenizer, 128256 for Llama 3's",
        )
    inputs.notes.append(f"tokenizer: no file yet; {inputs.assumed.vocabulary:,} entries ({key})")
    return inputs.assumed.vocabulary


def work(inputs: Inputs) -> Work:
    """What the configuration computes.

    Raises:
        UsageError: A size is no whole number, or is missing.
    """
    cfg, keys = inputs.cfg, inputs.keys
    optim = cfg.model.optim
    element = 4 if str(cfg.trainer.get("precision", 32)) in {"32", "32-true"} else 2
    is_o2 = element == 2 and bool(inputs.model.get("megatron_amp_O2", False))
    is_short = is_o2 and str(optim.get("grad_sync_dtype", "fp32")) not in {"fp32", "32", "torch.float32"}
    return Work(
        schema=inputs.schema,
        model=cast("dict[str, Any]", OmegaConf.to_container(inputs.model, throw_on_missing=False)),
        vocabulary_rows=vocabulary_rows(inputs),
        sequence=whole(cfg, keys.sequence),
        global_batch=whole(cfg, keys.global_batch),
        precision=Precision(element=element, is_o2=is_o2),
        optimizer=str(optim.name),
        gradient_bytes=2 if is_short else 4,
        is_overlapped=bool(optim.get("overlap_grad_sync", False)),
    )


def placement(inputs: Inputs, layout: Layout) -> Placement:
    """How the configuration lays it out."""
    model: Callable[..., Any] = inputs.model.get
    return Placement(
        layout=layout,
        micro_batch=whole(inputs.cfg, inputs.keys.micro_batch),
        sequence_parallel=bool(model("sequence_parallel", False)),
        recompute=Recompute(
            granularity=model("activations_checkpoint_granularity") or "none",
            method=model("activations_checkpoint_method") or "uniform",
            layers=model("activations_checkpoint_num_layers") or 1,
        ),
        virtual=model("virtual_pipeline_model_parallel_size") or 1,
    )
