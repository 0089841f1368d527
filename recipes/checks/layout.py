"""Whether model and batches can be cut over the devices as configured."""

import math
from dataclasses import dataclass

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes.checks.values import whole


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How many ways each dimension is cut; their product is the number of processes."""

    tensor: int
    pipeline: int
    data: int
    context: int = 1

    @property
    def processes(self) -> int:
        """Processes of the run, one a device."""
        return self.tensor * self.pipeline * self.context * self.data

    def as_dict(self) -> dict[str, int]:
        """For records and reports; `context` only where it is used."""
        sizes = {"tensor": self.tensor, "pipeline": self.pipeline, "data": self.data}
        return sizes if self.context == 1 else {**sizes, "context": self.context}

    def __str__(self) -> str:
        """Such as `tensor 2 x pipeline 1 x data 64`."""
        return " x ".join(f"{name} {size}" for name, size in self.as_dict().items())


def layout(cfg: DictConfig) -> Layout:
    """The parallel layout: what tensor, pipeline and context leave of the devices is data parallel.

    Raises:
        UsageError: The devices cannot be divided so.
    """
    world = whole(cfg, "trainer.devices") * whole(cfg, "trainer.num_nodes")
    tensor, pipeline = (whole(cfg, f"model.{name}_model_parallel_size") for name in ("tensor", "pipeline"))
    context = whole(cfg, "model.context_parallel_size") if "context_parallel_size" in cfg.model else 1
    group = tensor * pipeline * context
    if world % group:
        unit = group // math.gcd(group, cfg.trainer.num_nodes)
        raise UsageError(
            f"{world} devices cannot be divided into groups of {group}",
            where=f"trainer.devices={cfg.trainer.devices} x trainer.num_nodes={cfg.trainer.num_nodes}, "
            f"tensor {tensor} x pipeline {pipeline} x context {context}",
            why="every copy of the model takes one group",
            fix=f"trainer.devices={-(-cfg.trainer.devices // unit) * unit}\n"
            f"or tensor, pipeline and context sizes whose product divides {world}",
        )
    return Layout(tensor=tensor, pipeline=pipeline, data=world // group, context=context)


def check_batches(cfg: DictConfig, layout: Layout, global_key: str, micro_key: str) -> None:
    """The global batch is a whole number of micro batches on every data-parallel rank."""
    batch, micro = whole(cfg, global_key), whole(cfg, micro_key)
    step = micro * layout.data
    if batch % step:
        multiples = sorted({max(step, batch // step * step), -(-batch // step) * step})
        smaller = [size for size in range(micro, 0, -1) if batch % (size * layout.data) == 0]
        fixes = [f"{global_key}={' or '.join(map(str, multiples))}"]
        fixes += [f"or {micro_key}={smaller[0]}"] if smaller else []
        raise UsageError(
            f"a global batch of {batch} is no multiple of {micro} (micro batch) x {layout.data} (data parallel)",
            where=f"{global_key}, {micro_key}",
            fix="\n".join(fixes),
        )


def check_validation_batch(cfg: DictConfig, layout: Layout) -> None:
    """SFT cuts a validation batch into as many micro batches as a training batch."""
    train, validation = (f"model.data.{part}.global_batch_size" for part in ("train_ds", "validation_ds"))
    step = whole(cfg, train) // whole(cfg, "model.data.train_ds.micro_batch_size")
    batch = whole(cfg, validation)
    if batch % step:
        raise UsageError(
            f"a validation batch of {batch} cannot be cut into {step // layout.data} micro batches on each of "
            f"{layout.data} data-parallel ranks",
            where=validation,
            why="NeMo-Aligner validates with the number of micro batches it trains with",
            fix=f"{validation}={-(-batch // step) * step}",
        )


def check_model_split(model: DictConfig, layout: Layout) -> None:
    """Heads, query groups, hidden and feed-forward size divide by the tensor size, layers by the pipeline size."""
    names = [
        name
        for name in ("num_attention_heads", "num_query_groups", "hidden_size", "ffn_hidden_size")
        if model.get(name)
    ]
    uneven = [f"{name} {model[name]}" for name in names if model[name] % layout.tensor]
    if uneven:
        common = math.gcd(*(model[name] for name in names))
        sizes = [str(size) for size in range(1, common + 1) if common % size == 0]
        raise UsageError(
            f"tensor parallel size {layout.tensor} does not divide {', '.join(uneven)}",
            where="model.tensor_model_parallel_size",
            why="every tensor rank holds an equal share of each matrix and whole heads",
            fix=f"model.tensor_model_parallel_size={' or '.join(sizes)}",
        )
    stages = layout.pipeline * (model.get("virtual_pipeline_model_parallel_size") or 1)
    if model.num_layers % stages:
        sizes = [str(size) for size in range(1, model.num_layers + 1) if model.num_layers % size == 0]
        raise UsageError(
            f"{model.num_layers} layers cannot be cut into {stages} equal pipeline stages",
            where="model.pipeline_model_parallel_size (x virtual_pipeline_model_parallel_size)",
            fix=f"model.pipeline_model_parallel_size={' or '.join(sizes)}",
        )


def check_sequence(model: DictConfig, length: int, key: str) -> None:
    """The sequence length fits the model's positions and, with sequence parallelism, the tensor ranks."""
    longest, tensor = model.max_position_embeddings, model.tensor_model_parallel_size
    if length > longest:
        raise UsageError(
            f"sequences of {length} tokens, but the model has {longest} positions",
            where=f"{key}, model.max_position_embeddings",
            fix=f"model.encoder_seq_length={longest}\nor model.max_position_embeddings={length}, to train longer ones",
        )
    if not model.get("sequence_parallel"):
        return
    if tensor == 1:
        raise UsageError(
            "model.sequence_parallel without tensor parallelism",
            where="model.sequence_parallel=true, model.tensor_model_parallel_size=1",
            why="there are no ranks to share a sequence; NeMo would switch it off without a word",
            fix="model.sequence_parallel=false\nor model.tensor_model_parallel_size=2",
        )
    if length % tensor:
        raise UsageError(
            f"sequences of {length} tokens cannot be shared by {tensor} tensor ranks",
            where=f"{key}, model.sequence_parallel=true",
            fix=f"model.encoder_seq_length={length // tensor * tensor}\nor model.sequence_parallel=false",
        )


def check_pair_padding(cfg: DictConfig, layout: Layout) -> None:
    """With sequence parallelism DPO pads its batches to lengths that the tensor ranks can share."""
    multiple = cfg.model.data.get("pad_length_to_multiple_of")
    if cfg.model.get("sequence_parallel") and (not multiple or multiple % layout.tensor):
        raise UsageError(
            f"model.data.pad_length_to_multiple_of is {multiple}, with sequence parallelism on {layout.tensor} ranks",
            where="model.data.pad_length_to_multiple_of",
            why="a batch is as long as its longest pair, which the ranks cannot always share",
            fix=f"model.data.pad_length_to_multiple_of={8 * layout.tensor}\nor model.sequence_parallel=false",
        )


def check_interleaving(cfg: DictConfig, layout: Layout) -> None:
    """Virtual pipeline stages have ranks to take turns on, and micro batches come in whole rounds."""
    virtual = cfg.model.get("virtual_pipeline_model_parallel_size") or 1
    if virtual == 1:
        return
    key = "model.virtual_pipeline_model_parallel_size"
    overlaps = cfg.model.get("overlap_p2p_comm", False) and not cfg.model.get("batch_p2p_comm", True)
    if layout.pipeline < 2 or (layout.pipeline == 2 and not overlaps):
        raise UsageError(
            f"{virtual} virtual stages on {layout.pipeline} pipeline rank{'s' if layout.pipeline > 1 else ''}",
            where=f"{key}, model.overlap_p2p_comm, model.batch_p2p_comm",
            why="there is nothing to take turns with"
            if layout.pipeline < 2
            else "two ranks would send both ways in one batch of messages, which mix up: the gradients are wrong",
            fix=f"{key}=null"
            + ("\nor model.overlap_p2p_comm=true model.batch_p2p_comm=false" if layout.pipeline == 2 else ""),
        )
    batch, micro = whole(cfg, "model.global_batch_size"), whole(cfg, "model.micro_batch_size")
    batches = batch // (micro * layout.data)
    if batches % layout.pipeline:
        unit = micro * layout.data * layout.pipeline
        raise UsageError(
            f"{batches} micro batches a rank are no multiple of {layout.pipeline} pipeline ranks",
            where=f"{key}, model.global_batch_size, model.micro_batch_size",
            why="megatron-core interleaves virtual stages in rounds of one micro batch a rank",
            fix=f"model.global_batch_size={-(-batch // unit) * unit}\nor {key}=null",
        )


def check_context(model: DictConfig, layout: Layout, length: int, key: str) -> None:
    """Context ranks share a sequence in two pieces each; only Transformer Engine's attention can."""
    if layout.context == 1:
        return
    if not model.get("transformer_engine"):
        raise UsageError(
            f"context parallel size {layout.context} without Transformer Engine",
            where="model.context_parallel_size, model.transformer_engine",
            why="no other attention here exchanges keys and values between ranks",
            fix="model.context_parallel_size=1",
        )
    pieces = 2 * layout.context
    if length % pieces:
        raise UsageError(
            f"sequences of {length} tokens cannot be cut into {pieces} pieces",
            where=f"{key}, model.context_parallel_size={layout.context}",
            why="every context rank takes an early and a late piece, so that all have as much to attend to",
            fix=f"model.encoder_seq_length={length // pieces * pieces}\nor model.context_parallel_size=1",
        )
