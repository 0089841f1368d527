"""What NeMo's own model computes from a torch_dist checkpoint: the reference a conversion is proven against.

The model is NeMo's MegatronGPTModel and the reader is megatron-core's: nothing of `recipes.convert` is between them and
the checkpoint. Whole: the model, and a trace of all its stages. By layer: a model of one layer, into which
megatron-core loads one after the other of the checkpoint's layers, so that memory holds one layer, the hidden states
and, at the two ends, a table of the vocabulary as it is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
    sharded = model.sharded_state_dict(prefix=weights.prefix, metadata=weights.metadata)
    model.load_state_dict({key.removeprefix(weights.prefix): value for key, value in _load(weights, sharded)})
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
        for each in (states := dict(kept)):
            states[each].clear()
        with torch.inference_mode():
            for states_in in hidden:
                model(None, None, None, decoder_input=states_in.to(device))
        hidden = [states_out.float() for states_out in kept["layer"]]
        yield f"layer {layer}", torch.cat(hidden)[:, 0].cpu()
    yield "final norm", torch.cat(kept["norm"])[:, 0].float().cpu()


def table(weights: Weights, name: str) -> Tensor:
    """A table of the vocabulary as it is stored, read by torch's own reader."""
    from torch.distributed.checkpoint import FileSystemReader, load

    reader = FileSystemReader(str(weights.folder))
    stored = reader.read_metadata().state_dict_metadata[weights.prefix + name]
    whole = torch.empty(stored.size, dtype=stored.properties.dtype)
    load({weights.prefix + name: whole}, storage_reader=reader, no_dist=True)
    return whole


def _load_layer(weights: Weights, decoder: Any, layer: int) -> None:
    """Lets megatron-core fill the one layer of a decoder with a layer of the checkpoint."""
    decoder.layers[0].layer_number = layer + 1
    decoder.config.num_layers = weights.config["num_layers"]
    prefix = f"{weights.prefix}decoder."
    sharded = decoder.sharded_state_dict(prefix=prefix, metadata=weights.metadata)
    found = {key.removeprefix(prefix): value for key, value in _load(weights, sharded)}
    ours, theirs = "layers.0.", f"layers.{layer}."
    decoder.load_state_dict(
        {ours + key.removeprefix(theirs) if key.startswith(theirs) else key: value for key, value in found.items()}
    )


def _load(weights: Weights, sharded: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    from megatron.core import dist_checkpointing

    for key, value in dist_checkpointing.load(sharded, str(weights.folder)).items():
        yield key, weights.round(value) if isinstance(value, Tensor) else value


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
