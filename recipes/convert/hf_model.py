"""What transformers computes from the written folder, whole or one layer at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.convert.safetensors_file import read_header
from recipes.runtime.inference import Trace, record_stages


def device() -> str:
    """The one NeMo takes."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_hf(folder: Path) -> Any:
    """The converted model in fp32 with plain attention."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    return model.to(device()).eval()


def hf_trace(model: Any, sequences: Sequence[Sequence[int]]) -> Trace:
    """What a model computes for token ids, stage by stage."""
    layers = {f"layer {index}": layer for index, layer in enumerate(model.model.layers)}
    stages = {"embedding": model.model.embed_tokens, **layers, "final norm": model.model.norm, "logits": model.lm_head}
    return record_stages(stages, lambda ids: model(ids.to(model.device), use_cache=False), sequences)


def trace_by_layer(folder: Path, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[str, Tensor]]:
    """The same stages but the logits, with one layer in memory; safetensors' own reader gives its weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    layers, config.num_hidden_layers, config.vocab_size = config.num_hidden_layers, 1, 128
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().to(device()).eval().model
    model.norm.load_state_dict(read_tensors(folder, "model.norm."))
    table = open_table(folder, "model.embed_tokens.weight")
    hidden = [torch.stack([table[token].float() for token in ids])[None] for ids in sequences]
    yield "embedding", torch.cat(hidden, 1)[0]
    kept: dict[str, list[Tensor]] = {"layer": [], "norm": []}
    model.layers[0].register_forward_hook(lambda _m, _i, output: kept["layer"].append(_first(output)))
    model.norm.register_forward_hook(lambda _m, _i, output: kept["norm"].append(output))
    for layer in range(layers):
        model.layers[0].load_state_dict(read_tensors(folder, f"model.layers.{layer}."))
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


def read_tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  no mapping
            found |= {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    return found


def open_table(folder: Path, name: str) -> Any:
    """A tensor of which slices are read when they are asked for."""
    from safetensors import safe_open

    path = next(path for path in sorted(folder.glob("*.safetensors")) if name in read_header(path))
    file: Any = safe_open(path, framework="pt")
    return file.get_slice(name)
