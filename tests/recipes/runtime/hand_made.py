"""A phase trained by hand: transformers' Nemotron, torch's AdamW, Megatron's samples, a learning rate by formula.

Nothing of NeMo, and of our own code only the mapping of names that `langadapt convert` uses.
"""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.utils import get_blend_from_list
from torch.distributed.checkpoint import FileSystemReader, load
from transformers import NemotronConfig, NemotronForCausalLM

from recipes.convert.architectures import NEMOTRON
from recipes.convert.architectures.base import nemo_shape
from recipes.convert.architectures.tensors import hf_tensors

STATES = ("", "optimizer.state.exp_avg.", "optimizer.state.exp_avg_sq.")


def read_tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Weights and moments of a training checkpoint."""
    reader = FileSystemReader(str(checkpoint))
    stored = reader.read_metadata().state_dict_metadata
    tensors = {name: torch.empty(each.size) for name, each in stored.items() if hasattr(each, "size")}
    load(tensors, storage_reader=reader, no_dist=True)
    return tensors


def source(tensors: dict[str, torch.Tensor], state: str, name: str) -> torch.Tensor:
    """A tensor by the name it has in a .nemo; here layers are stacked."""
    if not name.startswith("decoder.layers."):
        return tensors[f"{state}model.{name}"]
    _, _, layer, rest = name.split(".", 3)
    return tensors[f"{state}model.decoder.layers.{rest}"][int(layer)]


def model_and_optimizer(checkpoint: Path, model: dict[str, Any], step: int) -> tuple[Any, torch.optim.AdamW]:
    """The model of a checkpoint after `step` updates, and an optimizer with its moments."""
    tensors = read_tensors(checkpoint)
    shape = nemo_shape(model, tensors["model.embedding.word_embeddings.weight"].shape[0])
    ours = NemotronForCausalLM(NemotronConfig(**NEMOTRON.hf_config(model, shape, {})))
    states = [
        {
            each.name: torch.cat(
                [source(tensors, state, each.source)[first : first + count] for first, count in each.rows]
            )
            for each in hf_tensors(NEMOTRON, shape)
        }
        for state in STATES
    ]
    ours.load_state_dict(states[0])
    parameters = dict(ours.named_parameters())
    decayed = [each for name, each in parameters.items() if "norm" not in name]
    rest = [each for name, each in parameters.items() if "norm" in name]
    groups = [{"params": decayed, "weight_decay": model["optim"]["weight_decay"]}, {"params": rest, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, betas=tuple(model["optim"]["betas"]))
    for name, parameter in parameters.items():
        moments = {"exp_avg": states[1][name].clone(), "exp_avg_sq": states[2][name].clone()}
        optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    return ours, optimizer


def samples(model: dict[str, Any], steps: int) -> Any:
    """The training data of a run of so many steps."""
    data = model["data"]
    config = GPTDatasetConfig(
        random_seed=model["seed"],
        sequence_length=data["seq_length"],
        blend_per_split=[get_blend_from_list(data["data_prefix"]["train"]), None, None],
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        tokenizer=SimpleNamespace(unique_identifiers={}, eod=-2, pad=-1),
    )
    wanted = [steps * model["global_batch_size"], 0, 0]
    return BlendedMegatronDatasetBuilder(GPTDataset, wanted, lambda: True, config).build()[0]


def losses(checkpoint: Path, model: dict[str, Any], *, done: int, steps: int) -> list[float]:
    """Loss of every step of a phase that starts from a checkpoint of `done` updates, with a cosine from its first."""
    ours, optimizer = model_and_optimizer(checkpoint, model, done)
    dataset, batch = samples(model, steps), model["global_batch_size"]
    found = []
    for step in range(steps):
        items = [dataset[place] for place in range(step * batch, (step + 1) * batch)]
        tokens, labels = (torch.stack([item[key] for item in items]) for key in ("tokens", "labels"))
        loss = torch.nn.functional.cross_entropy(ours(tokens).logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
        peak, least = model["optim"]["lr"], model["optim"]["sched"]["min_lr"]
        for group in optimizer.param_groups:
            group["lr"] = least + (peak - least) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.step()
        found.append(loss.item())
    return found
