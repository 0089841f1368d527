"""One training run in a report: its curves from metrics.jsonl, its facts from run.json."""

import math
from collections.abc import Sequence

from recipes import run_record
from recipes.monitor.decisions import CHANGE
from recipes.report.files import Facts
from recipes.run_record import RunRecord

# The keys of model.dpo that say what the loss is.
OBJECTIVE = (
    *("preference_loss", "ref_policy_kl_penalty", "preference_average_log_probs"),
    *("preference_loss_weight", "sft_loss_weight"),
)
# NeMo-Aligner 0.7.0, MegatronGPTDPOModel.get_loss_and_metrics; its rewards are log-ratios without the KL factor.
CHOSEN, REJECTED, ACCURACY = "rewards_chosen_mean", "rewards_rejected_mean", "acc"
LOG_PROBS = {"log p chosen": "logps_chosen_mean", "log p rejected": "logps_rejected_mean"}
"""The answers' own log-probabilities (recipes/runtime/preferences.py)."""

Curve = list[tuple[int, float]]
"""(optimizer steps done, value) in ascending order."""


def curves_of(metrics: Sequence[dict[str, float]]) -> dict[str, Curve]:
    """The curves a report shows; those a stage does not log are left out.

    NeMo numbers the line of a step from 0 and puts its validation into the same line; NeMo-Aligner validates after
    counting the step.
    """
    curves = {
        "loss": run_record.losses(metrics),
        "validation loss": _curve(metrics, "val_loss", 1) or _curve(metrics, "val/loss", 0),
        "chosen": _curve(metrics, f"train/{CHOSEN}", 1),
        "rejected": _curve(metrics, f"train/{REJECTED}", 1),
        "accuracy": _curve(metrics, f"train/{ACCURACY}", 1),
        "validation chosen": _curve(metrics, f"val/{CHOSEN}", 0),
        "validation rejected": _curve(metrics, f"val/{REJECTED}", 0),
        "validation accuracy": _curve(metrics, f"val/{ACCURACY}", 0),
        **{name: _curve(metrics, f"train/{key}", 1) for name, key in LOG_PROBS.items()},
        **{f"validation {name}": _curve(metrics, f"val/{key}", 0) for name, key in LOG_PROBS.items()},
    }
    for before in ("", "validation "):
        pairs = zip(curves[f"{before}chosen"], curves[f"{before}rejected"], strict=True)
        curves[f"{before}margin"] = [(step, chosen - rejected) for (step, chosen), (_, rejected) in pairs]
    curves |= {f"change {lang}": _curve(metrics, CHANGE + lang, 1) for lang in monitored_languages(metrics)}
    return {name: curve for name, curve in curves.items() if curve}


def monitored_languages(metrics: Sequence[dict[str, float]]) -> list[str]:
    """Languages the forgetting monitor read; its sets have dots in their names."""
    names = {key.removeprefix(CHANGE) for entry in metrics for key in entry if key.startswith(CHANGE)}
    return sorted(name for name in names if "." not in name)


def run_facts(record: RunRecord, curves: dict[str, Curve]) -> Facts:
    """What the report says about one training run; a run that was killed has its steps from the metrics."""
    loss = curves.get("loss", [])
    facts = {
        "status": record.status,
        "layout": record.layout,
        "steps": loss[-1][0] if loss else record.steps,
        "first_loss": loss[0][1] if loss else record.first_loss,
        "last_loss": loss[-1][1] if loss else record.last_loss,
        "steps_not_finite": sum(not math.isfinite(value) for _, value in loss),
        "validation_loss": _ends(curves.get("validation loss")),
        "tokens": _tokens(record, loss[-1][0] if loss else record.steps),
        "seen": record.seen,
        "phases": [phase["name"] for phase in record.phases] if record.phases else None,
        "seconds": record.seconds or None,
        "ground": record.ground.get("name"),
        "device": record.ground.get("device"),
        "git": record.git,
    }
    if record.stage == "dpo":
        facts["objective"] = {key: record.config["model"]["dpo"].get(key) for key in OBJECTIVE}
        for name in ("reward_margin", "accuracy"):
            facts[name] = _ends(curves.get(name.removeprefix("reward_")))
            facts[f"validation_{name}"] = _ends(curves.get(f"validation {name.removeprefix('reward_')}"))
        for name, key in LOG_PROBS.items():
            facts |= {key: _ends(curves.get(name)), f"validation_{key}": _ends(curves.get(f"validation {name}"))}
    return facts


def _tokens(record: RunRecord, steps: int) -> int | None:
    """Tokens a pre-training run has read; SFT and DPO read examples of any length."""
    model = record.config.get("model", {})
    if record.stage not in ("pretrain", "cpt") or "encoder_seq_length" not in model:
        return None
    return int(steps * model["global_batch_size"] * model["encoder_seq_length"])


def _curve(metrics: Sequence[dict[str, float]], key: str, shift: int) -> Curve:
    return [(int(entry["step"]) + shift, entry[key]) for entry in metrics if key in entry]


def _ends(curve: Curve | None) -> dict[str, float] | None:
    return {"first": curve[0][1], "last": curve[-1][1]} if curve else None
