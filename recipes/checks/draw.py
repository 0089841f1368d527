"""How often a run reads each of its token datasets: within the plan of its blend, or a limit where there is no plan.

Megatron repeats a dataset as often as steps, batch and weight ask for, and says nothing of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from data_prep.blend.megatron import oversampled
from data_prep.errors import DataError, UsageError
from data_prep.indexed_dataset import read_size
from recipes.checks.data import Blend, training_blend, training_share
from recipes.checks.values import whole
from recipes.draw_settings import DrawSettings

# What upstream's margin (blended_megatron_dataset_builder.py, 0.5 %) may add to a plan that is kept.
TOLERANCE = 1.005


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a run takes of one dataset.

    Attributes:
        prefix: Its path.
        tokens: It has to train on.
        epochs: The run reads of it, in the mean.
    """

    prefix: str
    tokens: int
    epochs: float


def draws(blend: Blend, tokens: Sequence[int], drawn: int) -> list[Draw]:
    """Epochs of each dataset when `drawn` tokens are taken by the weights of a blend."""
    whole_weight = math.fsum(weight for weight, _ in blend)
    return [
        Draw(prefix=prefix, tokens=count, epochs=weight / whole_weight * drawn / count)
        for (weight, prefix), count in zip(blend, tokens, strict=True)
    ]


def check_draw(cfg: DictConfig, plan_path: Path | None, plan: dict[str, Any] | None, limit: DrawSettings) -> list[str]:
    """The run keeps to the plan of its blend, or reads nothing more often than the limit.

    Args:
        cfg: A checked configuration of the `pretrain` schema.
        plan_path: Where the plan lies that `langadapt blend` wrote beside a fragment.
        plan: It, or None where the blend was written by hand.
        limit: For a blend without a plan.

    Returns:
        What the user is told of a sound run.

    Raises:
        UsageError: The run is longer than its plan.
        DataError: A dataset without a plan would be read too often.
    """
    key, blend = training_blend(cfg)
    length = whole(cfg, "model.data.seq_length")
    batch = whole(cfg, "model.global_batch_size") * length
    drawn = whole(cfg, "trainer.max_steps") * batch
    share = training_share(cfg)
    tokens = [int(read_size(Path(prefix)).tokens * share) for _, prefix in blend]
    found = draws(blend, tokens, drawn)
    lines = _margin(blend, tokens, length, drawn // length)
    if plan is not None and plan_path is not None:
        if _plans(plan, blend):
            return [*_against_plan(found, plan, plan_path, drawn, batch), *lines]
        lines.append(f"the plan {plan_path} is of another blend than {key}: its caps on epochs are not applied")
    _check_limit(found, key, cfg.trainer.max_steps, limit)
    most = max(found, key=lambda draw: draw.epochs)
    return [f"draws {drawn:,} tokens, at most {most.epochs:.2f} epochs (of {most.prefix})", *lines]


def _plans(plan: dict[str, Any], blend: Blend) -> bool:
    """Whether a plan has these datasets with these weights."""
    planned = {entry["prefix"]: entry["weight"] for entry in plan["train"]}
    total = math.fsum(weight for weight, _ in blend)
    return planned.keys() == {prefix for _, prefix in blend} and all(
        math.isclose(planned[prefix], weight / total, rel_tol=1e-6) for weight, prefix in blend
    )


def _against_plan(found: list[Draw], plan: dict[str, Any], path: Path, drawn: int, batch: int) -> list[str]:
    """The run's tokens are those of the plan to a batch, or fewer."""
    planned = plan["samples"] * plan["sequence_length"]
    if drawn > planned + batch:
        caps = {entry["prefix"]: entry["max_epochs"] for entry in plan["train"]}
        most = max(found, key=lambda draw: draw.epochs / caps[draw.prefix])
        raise UsageError(
            f"the run draws {drawn:,} tokens, its blend was planned for {planned:,}",
            where=f"trainer.max_steps x model.global_batch_size x model.data.seq_length; {path}",
            why=f"every dataset is read {drawn / planned:.3g} times as often as planned: {most.prefix} "
            f"{most.epochs:.2f} epochs, its cap is {caps[most.prefix]:g}",
            fix=f"trainer.max_steps={max(1, planned // batch)}\n"
            f"or plan the blend anew: langadapt blend ... budget_tokens={drawn}",
        )
    if drawn < planned - batch:
        return [f"draws {drawn:,} of the {planned:,} tokens its blend was planned for: epochs fall in proportion"]
    return []


def _check_limit(found: list[Draw], key: str, max_steps: int, limit: DrawSettings) -> None:
    most = max(found, key=lambda draw: draw.epochs)
    if most.epochs <= limit.max_epochs * TOLERANCE:
        return
    fits = int(max_steps * limit.max_epochs / most.epochs)
    raise DataError(
        f"{most.prefix} has {most.tokens:,} tokens and would be read {most.epochs:.3g} times",
        where=f"{key}, trainer.max_steps={max_steps}",
        why=f"repeated text is worth less and less; the limit is {limit.max_epochs:g} epochs",
        fix=(f"trainer.max_steps={fits}\nor " if fits else "")
        + "plan the weights: langadapt blend nemo_configs/data/blend_paper.yaml ...\n"
        f"or langadapt.draw.max_epochs={math.ceil(most.epochs)}, if you mean it",
    )


def _margin(blend: Blend, tokens: list[int], length: int, samples: int) -> list[str]:
    """What Megatron may make of weights that were settled for another number of samples (docs/blend.md)."""
    whole_weight = math.fsum(weight for weight, _ in blend)
    wanted = [weight / whole_weight * samples for weight, _ in blend]
    tight = oversampled(wanted, tokens, length, samples)
    if not tight:
        return []
    names = ", ".join(Path(blend[place][1]).name for place in sorted(tight)[:3])
    what = f"Megatron may stop with `oversamples` at its start: its index of {names} is tight for {samples:,} samples"
    return [f"{what}; then plan the blend with budget_tokens={samples * length} sequence_length={length}"]
