"""Log-probabilities of whole answers, from those of their tokens."""

from types import SimpleNamespace

import pytest
import torch

from recipes.runtime.preferences import add_log_probs, answer_log_probs

LOG_PROBS = torch.tensor([[-9.0, -1.0, -2.0], [-9.0, -9.0, -3.0]])
LABELS = torch.tensor([[-100, 5, 6], [-100, -100, 7]])


def test_only_tokens_of_the_answer_count() -> None:
    assert answer_log_probs(LOG_PROBS, LABELS, average=False).tolist() == [-3.0, -3.0]
    assert answer_log_probs(LOG_PROBS, LABELS, average=True).tolist() == [-1.5, -3.0]


def test_a_pair_upstream_has_emptied_has_no_log_probability() -> None:
    nothing = torch.full((1, 3), -100)
    assert answer_log_probs(LOG_PROBS[:1], nothing, average=True).tolist() == [0.0]


@pytest.mark.usefixtures("one_process_group")
def test_the_policys_log_probs_are_the_references_and_the_reward() -> None:
    upstream = {"loss": 0.5, "rewards_chosen_mean": 0.25, "rewards_rejected_mean": -0.5}
    model = SimpleNamespace(
        get_loss_and_metrics=lambda batch, forward_only: (0.5, upstream),
        preference_avg_log_probs=False,
    )
    add_log_probs(model)
    batch = {
        "ref_policy_log_probs_chosen": LOG_PROBS,
        "chosen_labels": LABELS,
        "ref_policy_log_probs_rejected": 2 * LOG_PROBS,
        "rejected_labels": LABELS,
    }
    loss, metrics = model.get_loss_and_metrics(batch=batch, forward_only=True)
    assert loss == 0.5
    assert metrics == upstream | {"margin": 0.75, "logps_chosen_mean": -2.75, "logps_rejected_mean": -6.5}
