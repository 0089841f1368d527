"""Lets Adam's count of steps go on where a run starts from another's checkpoint (`model.restore_from_ckpt`)."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback


class OptimizerStepsGoOn(Callback):
    """Puts back the `step` of each parameter group, which NeMo 2.1.0 drops.

    NeMo takes weights and moments from the checkpoint and all parameter groups, for their learning rate, from the new
    run (nlp_overrides.py, _integrate_original_checkpoint_data). But apex's and Transformer Engine's Adam, and ours,
    keep the count of steps there. From 0 it would correct the bias of moments that have none: with betas 0.9 and 0.95
    the first update is 10 / sqrt(20) = 2.2 times too large.
    """

    def on_load_checkpoint(self, trainer: Trainer, module: Any, checkpoint: dict[str, Any]) -> None:
        """Called with what NeMo has put together, before the optimizer takes it."""
        if not module.continue_training:
            return
        from megatron.core import dist_checkpointing

        saved = dist_checkpointing.load_common_state_dict(str(trainer.ckpt_path))
        carry_steps(_groups(saved), _groups(checkpoint))


def _groups(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """Parameter groups of a checkpoint's one optimizer; one that holds fp32 weights wraps the one meant."""
    state = checkpoint["optimizer_states"][0]
    groups: list[dict[str, Any]] = state.get("optimizer", state)["param_groups"]
    return groups


def carry_steps(saved: list[dict[str, Any]], groups: list[dict[str, Any]]) -> None:
    """Gives each group the count of its counterpart; Adam of torch itself has none here, but in its state."""
    for before, group in zip(saved, groups, strict=True):
        if "step" in before:
            group["step"] = before["step"]
