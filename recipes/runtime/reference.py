"""What NeMo's own model computes from a torch_dist checkpoint: the reference a conversion is proven against.

The model is NeMo's MegatronGPTModel and the reader is megatron-core's, or torch's own below it: nothing of
`recipes.convert` is between them and the checkpoint. Whole: the model, and a trace of all its stages. By layer: a model
of one layer, which is given one after the other of the checkpoint's layers, so that memory holds one layer, the hidden
states and, at the two ends, a table of the vocabulary as it is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata
from torch.distributed.checkpoint.planner import LoadPlan
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

from recipes.runtime.inference import ONE_DEVICE, Trace, make_trainer, no_tf32, trace_stages

EMBEDDING, OUTPUT = "embedding.word_embeddings.weight", "output_layer.weight"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A checkpoint and what it is of.

    Attributes:
        folder: The torch_dist checkpoint, saved at any tensor and pipeline parallel size.
        config: NeMo's `model` section.
        prefix: Of its keys, before `embedding.` and `decoder.`.
        is_stacked: Whether its layers are stacked along a first dimension.
        rows: Of its vocabulary tables, padding included.
        rounded_to: Round every weight to this dtype after loading, as a conversion with a cast does.
    """

    folder: Path
    config: Mapping[str, Any]
    prefix: str
    is_stacked: bool
    rows: int
    rounded_to: str | None = None

    @property
    def metadata(self) -> dict[str, bool]:
        """What megatron-core has to know of the layout of layers."""
        return {"non_homogeneous_layers": not self.is_stacked}

    def round(self, tensor: Tensor) -> Tensor:
        """The weights as the conversion stores them, in fp32."""
        return (tensor.to(getattr(torch, self.rounded_to)) if self.rounded_to else tensor).float()


def trace(weights: Weights, sequences: Sequence[Sequence[int]]) -> Trace:
    """Runs the whole model over token ids, in fp32 on one device; call `ground.prepare()` first."""
    no_tf32()
    model = _build(weights.config, weights.rows).model
    _load_whole(weights, model)
    return trace_stages(model, sequences)


def trace_by_layer(weights: Weights, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[str, Tensor]]:
    """The same stages but the logits, [positions, width] each, with one layer in memory.

    Call `ground.prepare()` first; `table` gives what the logits take.
    """
    no_tf32()
    model = _build({**weights.config, "num_layers": 1}, 128).model
    embedding = table(weights, EMBEDDING)
    hidden = [weights.round(embedding[torch.tensor(list(ids))])[:, None] for ids in sequences]
    del embedding
    yield "embedding", torch.cat(hidden)[:, 0]
    kept: dict[str, list[Tensor]] = {"layer": [], "norm": []}
    model.decoder.layers[0].register_forward_hook(lambda _m, _i, output: kept["layer"].append(output[0].detach()))
    model.decoder.final_layernorm.register_forward_hook(lambda _m, _i, output: kept["norm"].append(output.detach()))
    device = next(model.parameters()).device
    for layer in range(weights.config["num_layers"]):
        _load_layer(weights, model.decoder, layer)
        kept["layer"].clear()
        kept["norm"].clear()
        with torch.inference_mode():
            for states_in in hidden:
                model(None, None, None, decoder_input=states_in.to(device))
        hidden = [states_out.float() for states_out in kept["layer"]]
        yield f"layer {layer}", torch.cat(hidden)[:, 0].cpu()
    yield "final norm", torch.cat(kept["norm"])[:, 0].float().cpu()


def table(weights: Weights, name: str) -> Tensor:
    """A table of the vocabulary as it is stored."""
    from torch.distributed.checkpoint import FileSystemReader

    key = weights.prefix + name
    stored = FileSystemReader(str(weights.folder)).read_metadata().state_dict_metadata[key]
    whole = torch.empty(stored.size, dtype=stored.properties.dtype)
    _read(weights, {key: ((0, 0), whole)})
    return whole


def _load_layer(weights: Weights, decoder: Any, layer: int) -> None:
    """Fills the one layer of a decoder with a layer of the checkpoint; megatron-core says where its weights lie."""
    prefix, ours, theirs = f"{weights.prefix}decoder.", "layers.0.", f"layers.{layer}."
    decoder.layers[0].layer_number = layer + 1
    decoder.config.num_layers = weights.config["num_layers"]
    wanted, found = {}, {}
    for name, sharded in decoder.sharded_state_dict(prefix=prefix, metadata=weights.metadata).items():
        if not isinstance(sharded.data, Tensor):
            continue  # Transformer Engine's fp8 states
        is_stacked = weights.is_stacked and sharded.key.startswith(f"{prefix}layers.")
        start = (layer,) * is_stacked + (0,) * sharded.data.dim()
        tensor = torch.empty((1,) * is_stacked + tuple(sharded.data.shape))
        wanted[sharded.key] = start, tensor
        found[name.removeprefix(prefix).replace(theirs, ours)] = tensor[0] if is_stacked else tensor
    _read(weights, wanted)
    missing = decoder.load_state_dict({name: weights.round(each) for name, each in found.items()}, strict=False)[0]
    if [name for name in missing if not name.endswith("_extra_state")]:
        raise AssertionError(f"megatron-core names no stored tensor for {missing}")


class _Slices(DefaultLoadPlanner):
    """Tells torch's checkpoint reader to read rectangles of stored tensors, in place of whole ones."""

    def __init__(self, wanted: dict[str, tuple[tuple[int, ...], Tensor]]) -> None:
        super().__init__()
        self._wanted = wanted

    def create_local_plan(self) -> LoadPlan:
        items = []
        for key, (start, tensor) in self._wanted.items():
            chunk = ChunkStorageMetadata(offsets=torch.Size(start), sizes=tensor.shape)
            items += create_read_items_for_chunk_list(key, self.metadata.state_dict_metadata[key], [chunk])
        return LoadPlan(items)

    def resolve_tensor(self, read_item: Any) -> Tensor:
        tensor = self._wanted[read_item.dest_index.fqn][1]
        for dimension, (start, length) in enumerate(zip(read_item.dest_offsets, read_item.lengths, strict=True)):
            tensor = tensor.narrow(dimension, start, length)
        return tensor


def _read(weights: Weights, wanted: dict[str, tuple[tuple[int, ...], Tensor]]) -> None:
    """Fills tensors with what is stored under their keys from some element on, through torch's own reader."""
    from torch.distributed.checkpoint import FileSystemReader, load

    load({}, storage_reader=FileSystemReader(str(weights.folder)), planner=_Slices(wanted), no_dist=True)


def _load_whole(weights: Weights, model: Any) -> None:
    from megatron.core import dist_checkpointing

    sharded = model.sharded_state_dict(prefix=weights.prefix, metadata=weights.metadata)
    loaded = dist_checkpointing.load(sharded, str(weights.folder))
    # A training run's checkpoint has its step, callbacks and optimizer states beside the weights.
    state = {key.removeprefix(weights.prefix): loaded[key] for key in sharded}
    model.load_state_dict(
        {key: weights.round(each) if isinstance(each, Tensor) else each for key, each in state.items()}
    )


def _build(config: Mapping[str, Any], rows: int) -> Any:
    """NeMo's model of a `model` section with random weights, in fp32 on one device; no tokenizer is needed."""
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from omegaconf import OmegaConf

    trainer = make_trainer()
    changes = {"tokenizer": {"library": "byte-level"}, "override_vocab_size": rows, "restore_from_path": None}
    model = MegatronGPTModel(OmegaConf.create({**config, **ONE_DEVICE, **changes}), trainer)
    if not torch.distributed.is_initialized():
        trainer.strategy.launcher.launch(lambda: None, trainer=trainer)
        trainer.strategy.setup_environment()
    model.freeze()
    return model.cuda() if torch.cuda.is_available() else model
