"""Loss of given windows under the model that is training, by its own pipeline schedule and without leaving a trace.

MegatronGPTModel's validation (NeMo 2.1.0, megatron_gpt_model.py, validation_step and fwd_bwd_step) averages over whole
global batches of one dataset; here every window keeps its own sum, whatever the global batch, and ranks share them.
Nothing that training reads is touched: evaluation mode draws no random numbers, neither consumed samples nor the
microbatch calculator are asked, gradients are off, and every training step sets anew the hooks that are None here.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from megatron.core import parallel_state
from megatron.core.datasets.gpt_dataset import _get_ltor_masks_and_position_ids
from megatron.core.pipeline_parallel import get_forward_backward_func

from recipes.monitor.windows import Windows

Batch = dict[str, Any]


def nats_of(model: Any, sets: list[Windows]) -> list[float]:
    """Summed loss of the scored tokens of each set, the same on every rank. All ranks call it together.

    Args:
        model: A MegatronGPTModel on its trainer, in any layout.
        sets: Windows as long as the model's sequences.
    """
    batches, owners = _share(model, sets)
    sums = torch.zeros(len(sets), dtype=torch.float64, device=_device(model))
    found = _forward(model, batches)
    if found and parallel_state.get_tensor_model_parallel_rank() == 0:  # its other ranks hold the same losses
        sums.index_add_(0, owners.to(sums.device), torch.cat(found).double())
    torch.distributed.all_reduce(sums)
    nats: list[float] = sums.tolist()
    return nats


def _device(model: Any) -> torch.device:
    return model.trainer.strategy.root_device


def _share(model: Any, sets: list[Windows]) -> tuple[list[Batch], torch.Tensor]:
    """This data parallel rank's microbatches, and the set of each row; rows that score nothing fill up the last."""
    inputs, targets, scored = (
        np.concatenate([getattr(each, name) for each in sets]) for name in ("inputs", "targets", "scored")
    )
    owners = np.repeat(np.arange(len(sets)), [len(each.inputs) for each in sets])
    ranks, size = parallel_state.get_data_parallel_world_size(), model.cfg.micro_batch_size
    missing = -len(owners) % (ranks * size * _microbatches_in_a_round())
    mine = slice(parallel_state.get_data_parallel_rank(), None, ranks)
    inputs, targets = (np.pad(part, ((0, missing), (0, 0)), mode="edge")[mine] for part in (inputs, targets))
    scored = np.pad(scored, ((0, missing), (0, 0)))[mine]
    parts = [torch.from_numpy(part) for part in (inputs, targets, scored.astype(np.float32))]
    batches = [_batch(model, *(part[at : at + size] for part in parts)) for at in range(0, len(inputs), size)]
    return batches, torch.from_numpy(np.pad(owners, (0, missing))[mine])


def _microbatches_in_a_round() -> int:
    """The interleaved schedule deals microbatches to its chunks in rounds of the pipeline's size."""
    interleaved = parallel_state.get_virtual_pipeline_model_parallel_world_size() is not None
    return parallel_state.get_pipeline_model_parallel_world_size() if interleaved else 1


def _batch(model: Any, tokens: torch.Tensor, labels: torch.Tensor, scored: torch.Tensor) -> Batch:
    """One microbatch, [size, length] each, with the masks and positions training data get."""
    data = model.cfg.data
    resets = [bool(data.get(f"reset_{name}", False)) for name in ("position_ids", "attention_mask")]
    with_mask = not model.get_attention_mask_from_fusion
    rows = [
        _get_ltor_masks_and_position_ids(
            row, model.tokenizer.eos_id, *resets, eod_mask_loss=False, create_attention_mask=with_mask
        )
        for row in tokens
    ]
    positions = torch.stack([row[2] for row in rows])
    batch = {"tokens": tokens, "labels": labels, "loss_mask": scored, "position_ids": positions}
    return batch | ({"attention_mask": torch.stack([row[0] for row in rows])} if with_mask else {})


def _forward(model: Any, batches: list[Batch]) -> list[torch.Tensor]:
    """Nats of every row, a tensor a microbatch; on the last pipeline stage alone, elsewhere none."""
    if model.initialize_ub:
        model.initialize_ub_func()
    for module in model.get_model_module_list():
        module.config.no_sync_func = module.config.grad_sync_func = module.config.param_sync_func = None
    chunks = model.model if isinstance(model.model, list) else [model.model]
    for chunk in chunks:
        chunk.eval()
    with torch.no_grad(), model.trainer.precision_plugin.val_step_context():
        found = get_forward_backward_func()(
            forward_step_func=_forward_step(model),
            data_iterator=model._make_data_iterator_list(iter(batches)),  # noqa: SLF001
            model=model.model,
            num_microbatches=len(batches),
            forward_only=True,
            seq_length=model.cfg.encoder_seq_length,
            micro_batch_size=model.cfg.micro_batch_size,
        )
    for chunk in chunks:
        chunk.train()
    return [each["nats"] for each in found]


def _forward_step(model: Any) -> Callable[..., tuple[torch.Tensor, Callable[..., Any]]]:
    """What the schedule calls for every microbatch and stage."""

    def step(batches: Iterator[Batch], chunk: Any) -> tuple[torch.Tensor, Callable[..., Any]]:
        given = {key: part.to(_device(model)) for key, part in next(batches).items()}
        batch = model.get_batch_on_this_context_parallel_rank(given)
        output = chunk(
            input_ids=batch["tokens"],
            position_ids=batch["position_ids"],
            attention_mask=batch.get("attention_mask"),
            labels=batch["labels"],
        )

        def nats(losses: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            rows = (losses.float() * batch["loss_mask"]).sum(dim=1)
            return rows.sum(), {"nats": rows}

        return output, nats

    return step
