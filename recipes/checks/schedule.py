"""Whether steps, learning rate and intervals make a run that does what it says."""

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, UsageError
from recipes.checks.values import rate, whole, whole_or_zero


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Examples and global batches of a training set."""

    examples: int
    steps: int


def one_epoch(cfg: DictConfig, examples: int, batch_key: str) -> Epoch:
    """Global batches in one pass; NeMo-Aligner drops the last, incomplete one."""
    batch = whole(cfg, batch_key)
    if examples < batch:
        raise DataError(
            f"{examples} examples do not fill one global batch of {batch}",
            where=batch_key,
            why="NeMo-Aligner drops incomplete batches, so nothing would be left",
            fix=f"{batch_key}={examples} or less, divisible by micro batch x data parallel\nor more examples",
        )
    return Epoch(examples=examples, steps=examples // batch)


def check_schedule(cfg: DictConfig, max_steps: int) -> None:
    """Warm-up and constant steps leave room to decay in `max_steps`, and the rate does not rise at the end."""
    optim = cfg.model.optim
    sched = optim.get("sched")
    if sched is None:
        return
    lr, min_lr = rate(cfg, "model.optim.lr"), sched.get("min_lr") or 0.0
    if min_lr > lr:
        raise UsageError(
            f"the learning rate would decay from {lr} up to {min_lr}",
            where="model.optim.lr, model.optim.sched.min_lr",
            fix=f"model.optim.sched.min_lr={lr / 10:g}",
        )
    if sched.get("max_steps") not in {None, max_steps}:
        raise UsageError(
            f"the schedule is for {sched.max_steps} steps, the run has {max_steps}",
            where="model.optim.sched.max_steps",
            why="pre-training puts trainer.max_steps in its place; SFT and DPO would stay at min_lr after it",
            fix="~model.optim.sched.max_steps: the schedule is as long as the run",
        )
    warmup, constant = (_phase(cfg, name, max_steps) for name in ("warmup", "constant"))
    if warmup + constant >= max_steps:
        raise UsageError(
            f"{warmup} warm-up and {constant} constant steps leave nothing of {max_steps} steps to decay in",
            where="model.optim.sched.warmup_steps, model.optim.sched.constant_steps",
            why="NeMo's constant steps are the last ones, at min_lr: the rate would jump there after the warm-up",
            fix=f"model.optim.sched.warmup_steps={max_steps // 20} model.optim.sched.constant_steps=0",
        )


def _phase(cfg: DictConfig, name: str, max_steps: int) -> int:
    """Steps of the warm-up or the constant end, given as steps or as a share of the run."""
    key = f"model.optim.sched.{name}"
    share = OmegaConf.select(cfg, f"{key}_ratio")
    if share is None:
        return whole_or_zero(cfg, f"{key}_steps")
    if OmegaConf.select(cfg, f"{key}_steps") is not None:
        raise UsageError(
            f"the schedule has {name}_steps and {name}_ratio",
            where=f"{key}_steps, {key}_ratio",
            why="NeMo takes one of the two and stops with both",
            fix=f"~{key}_ratio\nor {key}_steps=null",
        )
    return int(rate(cfg, f"{key}_ratio") * max_steps)


def alignment_steps(cfg: DictConfig, section: str, epoch: Epoch) -> tuple[int, int]:
    """Steps of one epoch and of the whole run under an Aligner trainer's limits.

    Raises:
        UsageError: There would be none.
    """
    settings = cfg.trainer[section]
    limit = settings.get("limit_train_batches", 1.0)
    steps_an_epoch = int(epoch.steps * limit) if isinstance(limit, float) else min(epoch.steps, limit)
    steps = steps_an_epoch * whole(cfg, f"trainer.{section}.max_epochs")
    max_steps = whole(cfg, f"trainer.{section}.max_steps", minimum=-1)
    if max_steps >= 0:
        steps = min(steps, max_steps)
    if steps < 1:
        raise UsageError(
            f"{epoch.examples} examples and these limits make 0 steps",
            where=f"trainer.{section}.max_steps={max_steps}, trainer.{section}.limit_train_batches={limit}",
            fix=f"trainer.{section}.max_steps=-1 trainer.{section}.limit_train_batches=1.0",
        )
    return steps_an_epoch, steps


def check_alignment_schedule(cfg: DictConfig, section: str, epoch: Epoch) -> None:
    """Steps, intervals and learning rates of an Aligner trainer (nemo_aligner/utils/trainer_utils.py)."""
    settings = cfg.trainer[section]
    steps_an_epoch, steps = alignment_steps(cfg, section, epoch)
    check_schedule(cfg, steps)
    every, save = settings.val_check_interval, whole(cfg, f"trainer.{section}.save_interval")
    is_share = isinstance(every, float)
    validate = int(every * steps_an_epoch) if is_share else whole(cfg, f"trainer.{section}.val_check_interval")
    if validate < 1 or save % validate:
        raise UsageError(
            f"validation every {validate} steps does not divide saving every {save}",
            where=f"trainer.{section}.val_check_interval={every}, trainer.{section}.save_interval={save}, "
            f"{steps_an_epoch} steps an epoch",
            why="a checkpoint is ranked by the validation loss of its own step; Aligner stops at the first step",
            fix=f"trainer.{section}.val_check_interval={save} trainer.{section}.save_interval={save}",
        )
