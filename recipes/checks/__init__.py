"""Pre-flight checks of a training configuration: nothing is imported that trains, nothing is allocated.

Upstream finds most of these only after minutes of start-up, in one of 128 processes, or not at all. Every check
says what it found, why it matters and what to write instead.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from recipes.checks import data
from recipes.checks.checkpoint import check_checkpoint, merged_model
from recipes.checks.continuable import check_resume
from recipes.checks.draw import check_draw
from recipes.checks.ground import check_ground
from recipes.checks.layout import (
    Layout,
    check_batches,
    check_context,
    check_interleaving,
    check_model_split,
    check_pair_padding,
    check_sequence,
    check_validation_batch,
    layout,
)
from recipes.checks.monitor import check_monitor, refuse_monitor
from recipes.checks.resume import check_layout_change, check_start, schedule_change
from recipes.checks.schedule import check_alignment_schedule, check_schedule, one_epoch
from recipes.checks.values import whole
from recipes.known_keys import Schema

__all__ = [
    "Check",
    "Layout",
    "check_dpo",
    "check_draw",
    "check_layout_change",
    "check_pretrain",
    "check_sft",
    "checks_of",
    "layout",
    "schedule_change",
]

START = "model.restore_from_path"


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        run: Raises a UsageError or a DataError.
        reads: Whether it reads files, which an earlier stage may yet have to write.
    """

    run: Callable[[], object]
    reads: bool = False


def check_pretrain(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse a pre-training or continued pre-training that cannot run, or would not do what it says.

    Args:
        cfg: From `config.load(..., "pretrain")`.
        has_gpu: Whether this machine has a CUDA device.

    Raises:
        UsageError: A setting has to change.
        DataError: A file has to change.
    """
    _all(checks_of("pretrain", cfg, has_gpu=has_gpu))


def check_sft(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse an SFT that cannot run; arguments and errors as in `check_pretrain`.

    The architecture is the checkpoint's, as NeMo-Aligner takes it.
    """
    _all(checks_of("sft", cfg, has_gpu=has_gpu))


def check_dpo(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse a DPO that cannot run; arguments and errors as in `check_pretrain`."""
    _all(checks_of("dpo", cfg, has_gpu=has_gpu))


def checks_of(schema: Schema, cfg: DictConfig, *, has_gpu: bool) -> list[Check]:
    """What is looked at, in order; those that stand on another that fails raise its error again."""
    if schema == "pretrain":
        return _pretrain(cfg, has_gpu=has_gpu)
    return _sft(cfg, has_gpu=has_gpu) if schema == "sft" else _dpo(cfg, has_gpu=has_gpu)


def _all(checks: list[Check]) -> None:
    for check in checks:
        check.run()


def _pretrain(cfg: DictConfig, *, has_gpu: bool) -> list[Check]:
    cut = functools.cache(lambda: layout(cfg))
    key = "model.data.seq_length"
    start = cfg.model.get("restore_from_path")
    return [
        Check(lambda: check_ground(cfg, cfg.model, has_gpu=has_gpu)),
        Check(lambda: check_model_split(cfg.model, cut())),
        Check(lambda: check_batches(cfg, cut(), "model.global_batch_size", "model.micro_batch_size")),
        Check(lambda: check_interleaving(cfg, cut())),
        Check(lambda: check_sequence(cfg.model, whole(cfg, key), key)),
        Check(lambda: check_context(cfg.model, cut(), whole(cfg, key), key)),
        Check(lambda: check_start(cfg)),
        Check(lambda: check_schedule(cfg, whole(cfg, "trainer.max_steps"))),
        Check(lambda: check_resume(cfg, "pretrain")),
        Check(lambda: data.check_tokenizer(cfg), reads=True),
        *([Check(lambda: check_checkpoint(cfg.model, Path(start), START), reads=True)] if start else []),
        Check(lambda: data.check_token_datasets(cfg), reads=True),
        Check(lambda: check_monitor(cfg), reads=True),
    ]


def _sft(cfg: DictConfig, *, has_gpu: bool) -> list[Check]:
    cut = functools.cache(lambda: layout(cfg))
    model = functools.cache(lambda: merged_model(cfg, START))
    samples = functools.cache(lambda: _samples(cfg, "sft", model()))
    train, validation = (f"model.data.{part}" for part in ("train_ds", "validation_ds"))
    batches = {part: f"{part}.global_batch_size" for part in (train, validation)}
    key = f"{train}.max_seq_length"
    return [
        Check(lambda: refuse_monitor(cfg, "sft")),
        Check(lambda: check_ground(cfg, model(), has_gpu=has_gpu), reads=True),
        Check(lambda: check_model_split(model(), cut()), reads=True),
        Check(lambda: check_checkpoint(model(), Path(OmegaConf.select(cfg, START)), START), reads=True),
        Check(lambda: check_batches(cfg, cut(), batches[train], f"{train}.micro_batch_size")),
        Check(lambda: check_batches(cfg, cut(), batches[validation], f"{validation}.micro_batch_size")),
        Check(lambda: check_validation_batch(cfg, cut())),
        Check(lambda: check_sequence(model(), whole(cfg, key), key), reads=True),
        Check(lambda: check_context(model(), cut(), whole(cfg, key), key), reads=True),
        Check(lambda: one_epoch(cfg, samples()["train"], batches[train]), reads=True),
        Check(lambda: one_epoch(cfg, samples()["validation"], batches[validation]), reads=True),
        Check(
            lambda: check_alignment_schedule(cfg, "sft", one_epoch(cfg, samples()["train"], batches[train])), reads=True
        ),
        Check(lambda: check_resume(cfg, "sft")),
    ]


def _dpo(cfg: DictConfig, *, has_gpu: bool) -> list[Check]:
    start = "pretrained_checkpoint.restore_from_path"
    cut = functools.cache(lambda: layout(cfg))
    model = functools.cache(lambda: merged_model(cfg, start))
    pairs = functools.cache(lambda: _samples(cfg, "dpo", model()))
    batch, key = "model.global_batch_size", "model.data.seq_length"
    return [
        Check(lambda: refuse_monitor(cfg, "dpo")),
        Check(lambda: check_ground(cfg, model(), has_gpu=has_gpu), reads=True),
        Check(lambda: check_model_split(model(), cut()), reads=True),
        Check(lambda: check_checkpoint(model(), Path(OmegaConf.select(cfg, start)), start), reads=True),
        Check(lambda: check_batches(cfg, cut(), batch, "model.micro_batch_size")),
        Check(lambda: check_sequence(model(), whole(cfg, key), key), reads=True),
        Check(lambda: check_pair_padding(cfg, cut())),
        Check(lambda: one_epoch(cfg, pairs()["train"], batch), reads=True),
        Check(lambda: one_epoch(cfg, pairs()["validation"], batch), reads=True),
        Check(lambda: check_alignment_schedule(cfg, "dpo", one_epoch(cfg, pairs()["train"], batch)), reads=True),
        Check(lambda: check_resume(cfg, "dpo")),
    ]


def _samples(cfg: DictConfig, schema: Schema, model: DictConfig) -> dict[str, int]:
    """Samples of each split, every example looked at."""
    from recipes.examples.prepare import samples_of  # which reads settings with the modules of this package

    return samples_of(cfg, schema, model)
