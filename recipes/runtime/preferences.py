"""What NeMo-Aligner's DPO does not report: the margin, and how probable the answers themselves have become."""

from typing import Any

import torch


def add_log_probs(model: Any) -> None:
    """Lets the model report the margin and the mean log-probabilities of chosen and rejected answers with its loss.

    Upstream's `rewards_*_mean` are log-ratios of policy and reference (nemo-aligner 0.7.0,
    megatron_gpt_dpo_model.py); with the reference's own log-probabilities, which are in the batch, they give the
    policy's. A margin can grow while both answers become less probable: only these show it.
    """
    inner = model.get_loss_and_metrics

    def get_loss_and_metrics(batch: dict[str, Any], forward_only: bool) -> tuple[float, dict[str, float]]:  # noqa: FBT001
        loss, metrics = inner(batch=batch, forward_only=forward_only)
        return loss, {**metrics, **_log_probs(batch, metrics, average=model.preference_avg_log_probs)}

    model.get_loss_and_metrics = get_loss_and_metrics


def _log_probs(batch: dict[str, Any], metrics: dict[str, float], *, average: bool) -> dict[str, float]:
    from nemo.collections.nlp.modules.common.megatron.utils import average_losses_across_data_parallel_group

    means = [
        answer_log_probs(batch[f"ref_policy_log_probs_{name}"], batch[f"{name}_labels"], average=average).mean()
        for name in ("chosen", "rejected")
    ]
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    chosen, rejected = average_losses_across_data_parallel_group([mean.to(device) for mean in means]).tolist()
    return {
        "margin": metrics["rewards_chosen_mean"] - metrics["rewards_rejected_mean"],
        "logps_chosen_mean": chosen + metrics["rewards_chosen_mean"],
        "logps_rejected_mean": rejected + metrics["rewards_rejected_mean"],
    }


def answer_log_probs(log_probs: torch.Tensor, labels: torch.Tensor, *, average: bool) -> torch.Tensor:
    """Log-probability of every answer.

    Args:
        log_probs: [pairs, tokens], of each next token.
        labels: [pairs, tokens], negative where nothing is predicted.
        average: Per token, not in all.

    Returns:
        [pairs].
    """
    is_answer = labels > -1
    total = (log_probs * is_answer).sum(-1)
    return total / is_answer.sum(-1).clamp(min=1) if average else total
