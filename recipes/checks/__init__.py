"""Pre-flight checks of a training configuration: nothing is imported that trains, nothing is allocated.

Upstream finds most of these only after minutes of start-up, in one of 128 processes, or not at all. Every check
says what it found, why it matters and what to write instead.
"""

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
    "Layout",
    "check_dpo",
    "check_draw",
    "check_layout_change",
    "check_pretrain",
    "check_sft",
    "layout",
    "schedule_change",
]


def check_pretrain(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse a pre-training or continued pre-training that cannot run, or would not do what it says.

    Args:
        cfg: From `config.load(..., "pretrain")`.
        has_gpu: Whether this machine has a CUDA device.

    Raises:
        UsageError: A setting has to change.
        DataError: A file has to change.
    """
    check_ground(cfg, cfg.model, has_gpu=has_gpu)
    cut = layout(cfg)
    check_model_split(cfg.model, cut)
    check_batches(cfg, cut, "model.global_batch_size", "model.micro_batch_size")
    check_interleaving(cfg, cut)
    length = whole(cfg, "model.data.seq_length")
    check_sequence(cfg.model, length, "model.data.seq_length")
    check_context(cfg.model, cut, length, "model.data.seq_length")
    check_start(cfg)
    check_schedule(cfg, whole(cfg, "trainer.max_steps"))
    check_resume(cfg, "pretrain")
    data.check_tokenizer(cfg)
    if cfg.model.get("restore_from_path"):
        check_checkpoint(cfg.model, Path(cfg.model.restore_from_path), "model.restore_from_path")
    data.check_token_datasets(cfg)
    check_monitor(cfg)


def check_sft(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse an SFT that cannot run; arguments and errors as in `check_pretrain`.

    The architecture is the checkpoint's, as NeMo-Aligner takes it.
    """
    refuse_monitor(cfg, "sft")
    key = "model.restore_from_path"
    model = merged_model(cfg, key)
    check_ground(cfg, model, has_gpu=has_gpu)
    cut = layout(cfg)
    check_model_split(model, cut)
    check_checkpoint(model, Path(OmegaConf.select(cfg, key)), key)
    train, validation = (f"model.data.{part}" for part in ("train_ds", "validation_ds"))
    for part in (train, validation):
        check_batches(cfg, cut, f"{part}.global_batch_size", f"{part}.micro_batch_size")
    check_validation_batch(cfg, cut)
    length = whole(cfg, f"{train}.max_seq_length")
    check_sequence(model, length, f"{train}.max_seq_length")
    check_context(model, cut, length, f"{train}.max_seq_length")
    samples = _samples(cfg, "sft", model)
    epoch = one_epoch(cfg, samples["train"], f"{train}.global_batch_size")
    one_epoch(cfg, samples["validation"], f"{validation}.global_batch_size")
    check_alignment_schedule(cfg, "sft", epoch)
    check_resume(cfg, "sft")


def check_dpo(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse a DPO that cannot run; arguments and errors as in `check_pretrain`."""
    refuse_monitor(cfg, "dpo")
    key = "pretrained_checkpoint.restore_from_path"
    model = merged_model(cfg, key)
    check_ground(cfg, model, has_gpu=has_gpu)
    cut = layout(cfg)
    check_model_split(model, cut)
    check_checkpoint(model, Path(OmegaConf.select(cfg, key)), key)
    check_batches(cfg, cut, "model.global_batch_size", "model.micro_batch_size")
    check_sequence(model, whole(cfg, "model.data.seq_length"), "model.data.seq_length")
    check_pair_padding(cfg, cut)
    pairs = _samples(cfg, "dpo", model)
    epoch = one_epoch(cfg, pairs["train"], "model.global_batch_size")
    one_epoch(cfg, pairs["validation"], "model.global_batch_size")
    check_alignment_schedule(cfg, "dpo", epoch)
    check_resume(cfg, "dpo")


def _samples(cfg: DictConfig, schema: Schema, model: DictConfig) -> dict[str, int]:
    """Samples of each split, every example looked at."""
    from recipes.examples.prepare import samples_of  # which reads settings with the modules of this package

    return samples_of(cfg, schema, model)
