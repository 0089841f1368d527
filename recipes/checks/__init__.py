"""Pre-flight checks of a training configuration: nothing is imported that trains, nothing is allocated.

Upstream finds most of these only after minutes of start-up, in one of 128 processes, or not at all. Every check
says what it found, why it matters and what to write instead.
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from recipes.checks import data
from recipes.checks.checkpoint import check_checkpoint, merged_model
from recipes.checks.ground import check_ground
from recipes.checks.layout import (
    Layout,
    check_batches,
    check_model_split,
    check_pair_padding,
    check_sequence,
    check_validation_batch,
    layout,
)
from recipes.checks.resume import check_resume
from recipes.checks.schedule import check_alignment_schedule, check_schedule, one_epoch
from recipes.checks.values import whole

__all__ = ["Layout", "check_dpo", "check_pretrain", "check_sft", "layout"]


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
    check_sequence(cfg.model, whole(cfg, "model.data.seq_length"), "model.data.seq_length")
    check_schedule(cfg, whole(cfg, "trainer.max_steps"))
    check_resume(cfg, "pretrain")
    data.check_tokenizer(cfg)
    if cfg.model.get("restore_from_path"):
        check_checkpoint(cfg.model, Path(cfg.model.restore_from_path), "model.restore_from_path")
    data.check_token_datasets(cfg)


def check_sft(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse an SFT that cannot run; arguments and errors as in `check_pretrain`.

    The architecture is the checkpoint's, as NeMo-Aligner takes it.
    """
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
    check_sequence(model, whole(cfg, f"{train}.max_seq_length"), f"{train}.max_seq_length")
    epoch = one_epoch(cfg, _count_sft(cfg, train), f"{train}.global_batch_size")
    one_epoch(cfg, _count_sft(cfg, validation), f"{validation}.global_batch_size")
    check_alignment_schedule(cfg, "sft", epoch)
    check_resume(cfg, "sft")


def check_dpo(cfg: DictConfig, *, has_gpu: bool) -> None:
    """Refuse a DPO that cannot run; arguments and errors as in `check_pretrain`."""
    key = "pretrained_checkpoint.restore_from_path"
    model = merged_model(cfg, key)
    check_ground(cfg, model, has_gpu=has_gpu)
    cut = layout(cfg)
    check_model_split(model, cut)
    check_checkpoint(model, Path(OmegaConf.select(cfg, key)), key)
    check_batches(cfg, cut, "model.global_batch_size", "model.micro_batch_size")
    check_sequence(model, whole(cfg, "model.data.seq_length"), "model.data.seq_length")
    check_pair_padding(cfg, cut)
    keys = {split: f"model.data.data_prefix.{split}" for split in ("train", "validation", "test")}
    pairs = {split: data.count_preferences(OmegaConf.select(cfg, key), key) for split, key in keys.items()}
    epoch = one_epoch(cfg, pairs["train"], "model.global_batch_size")
    one_epoch(cfg, pairs["validation"], "model.global_batch_size")
    check_alignment_schedule(cfg, "dpo", epoch)
    check_resume(cfg, "dpo")


def _count_sft(cfg: DictConfig, part: str) -> int:
    path, key = OmegaConf.select(cfg, f"{part}.file_path"), f"{part}.file_path"
    if cfg.model.data.chat:
        return data.count_chat_examples(path, key)
    return data.count_prompt_examples(path, key, OmegaConf.select(cfg, f"{part}.label_key"))
