"""What transformers computes from a Hugging Face folder, whole or one layer at a time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.convert.reading.hf_checks import IGNORED
from recipes.convert.reading.hf_source import weight_files
from recipes.runtime.inference import Trace, record_stages

Round = Callable[[Tensor], Tensor]
"""Gives weights as the conversion stores them, in fp32."""


def device() -> str:
    """The one NeMo takes."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_hf(folder: Path, rounded: Round) -> Any:
    """The model in fp32 with plain attention, its weights rounded as the conversion stores them."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    for parameter in model.parameters():
        parameter.data = rounded(parameter.data)
    return model.to(device()).eval()


def hf_trace(model: Any, sequences: Sequence[Sequence[int]]) -> Trace:
    """What a model computes for token ids, stage by stage."""
    layers = {f"layer {index}": layer for index, layer in enumerate(model.model.layers)}
    stages = {"embedding": model.model.embed_tokens, **layers, "final norm": model.model.norm, "logits": model.lm_head}
    return record_stages(stages, lambda ids: model(ids.to(model.device), use_cache=False), sequences)


def trace_by_layer(folder: Path, sequences: Sequence[Sequence[int]], rounded: Round) -> Iterator[tuple[str, Tensor]]:
    """The same stages but the logits, with one layer in memory, which safetensors' or torch's own reader gives."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    layers, config.num_hidden_layers = config.num_hidden_layers, 1
    config.vocab_size, config.pad_token_id = 128, None  # no table of the vocabulary: hidden states go in
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().to(device()).eval().model
    model.norm.load_state_dict(read_tensors(folder, "model.norm.", rounded))
    table = open_table(folder, "model.embed_tokens.weight")
    hidden = [rounded(table[torch.tensor(list(ids))])[None] for ids in sequences]
    del table
    yield "embedding", torch.cat(hidden, 1)[0]
    kept: dict[str, list[Tensor]] = {"layer": [], "norm": []}
    model.layers[0].register_forward_hook(lambda _m, _i, output: kept["layer"].append(_first(output)))
    model.norm.register_forward_hook(lambda _m, _i, output: kept["norm"].append(output))
    for layer in range(layers):
        model.layers[0].load_state_dict(read_tensors(folder, f"model.layers.{layer}.", rounded))
        kept["layer"].clear()
        kept["norm"].clear()
        with torch.inference_mode():
            for states in hidden:
                model(inputs_embeds=states.to(device()), use_cache=False)
        hidden = list(kept["layer"])
        yield f"layer {layer}", torch.cat(hidden, 1)[0].cpu()
    yield "final norm", torch.cat(kept["norm"], 1)[0].cpu()


def _first(output: Any) -> Tensor:
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden


def read_tensors(folder: Path, prefix: str, rounded: Round) -> dict[str, Tensor]:
    """The tensors under a prefix, without it, in fp32; buffers that transformers computes itself are left out."""
    return {
        name.removeprefix(prefix): rounded(tensor)
        for path in weight_files(folder)
        for name, tensor in _mapped(path)
        if name.startswith(prefix) and not name.endswith(IGNORED)
    }


def open_table(folder: Path, name: str) -> Tensor:
    """A tensor as it is stored, of which the pages that are looked at are read."""
    return next(tensor for path in weight_files(folder) for found, tensor in _mapped(path) if found == name)


def _mapped(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a file, none of them read yet."""
    from safetensors import safe_open

    if path.suffix == ".bin":
        yield from torch.load(path, map_location="cpu", mmap=True, weights_only=True).items()
        return
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  no mapping
            yield name, file.get_tensor(name)
