"""SFT and DPO end to end: formats, packing, what DPO reports, its loss variants, and losses across layouts.

All runs start from the same .nemo, read the sample corpus as users bring it, and take a few steps in fp32 over gloo.
Those of one process share a process: a run is mostly NeMo's imports.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from recipes import run_record
from recipes.report.runs import curves_of
from tests.conftest import CONFIGS, REPOSITORY

pytestmark = pytest.mark.slow

STEPS = 4
ACROSS_LAYOUTS = 5e-5
"""As in test_parallel_truth.py."""
LAYOUTS = {
    "TP=2": ("trainer.devices=2", "model.tensor_model_parallel_size=2", "model.make_vocab_size_divisible_by=128"),
    "PP=2": ("trainer.devices=2", "model.pipeline_model_parallel_size=2"),
}
SAMPLES = REPOSITORY / "data_prep" / "sample_corpus"
FIRST_LOSSES = {
    # Policy and reference are the same model at the first step: the loss is a number of the formula alone.
    "dpo": math.log(2),
    "ipo": (1 / (2 * 0.1)) ** 2,
    "rpo_sq": 1.0,
    "rpo_bwd_kl": sum(p * math.log(p / 0.5) for p in (1 / (1 + math.exp(-1)), 1 / (1 + math.e))),
    "rpo_fwd_kl": sum(0.5 * math.log(0.5 / p) for p in (1 / (1 + math.exp(-1)), 1 / (1 + math.e))),
}


def sft(base: Path, folder: Path, train: Path, *more: str) -> list[str]:
    return [
        "sft",
        str(CONFIGS / "sft" / "tiny.yaml"),
        f"model.restore_from_path={base}",
        f"model.data.train_ds.file_path={train}",
        f"model.data.validation_ds.file_path={train}",
        "model.data.train_ds.global_batch_size=4",
        "model.data.train_ds.micro_batch_size=2",
        f"trainer.sft.max_steps={STEPS}",
        f"trainer.sft.val_check_interval={STEPS}",
        "trainer.sft.limit_val_batches=1",
        "model.optim.sched.warmup_steps=1",
        "model.max_position_embeddings=256",
        "langadapt.examples.too_long=drop",
        *more,
        f"exp_manager.explicit_log_dir={folder}",
    ]


def dpo(base: Path, folder: Path, *more: str) -> list[str]:
    return [
        "dpo",
        str(CONFIGS / "dpo" / "tiny.yaml"),
        f"pretrained_checkpoint.restore_from_path={base}",
        f"model.data.data_prefix.train=[{SAMPLES / 'preferences.jsonl'}]",
        f"model.data.data_prefix.validation=[{SAMPLES / 'preferences.jsonl'}]",
        f"trainer.dpo.max_steps={STEPS}",
        f"trainer.dpo.val_check_interval={STEPS}",
        "trainer.dpo.limit_val_batches=1",
        "model.optim.sched.warmup_steps=1",
        "model.max_position_embeddings=256",
        "langadapt.examples.too_long=drop",
        *more,
        f"exp_manager.explicit_log_dir={folder}",
    ]


def losses(folder: Path) -> list[float]:
    return [loss for _, loss in run_record.losses(run_record.read_metrics(folder))]


@pytest.fixture(scope="module")
def three_short(tmp_path_factory) -> Path:
    """Three conversations that fit one sequence of 256 tokens together."""
    lines = (SAMPLES / "chat.jsonl").read_text("utf-8").splitlines()
    path = tmp_path_factory.mktemp("short") / "chat.jsonl"
    path.write_text("\n".join(sorted(lines, key=len)[:3]) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def one_process(small_base, three_short, tmp_path_factory) -> dict[str, Path]:
    """The folders of all runs of one process, and under `said` what they printed."""
    root = tmp_path_factory.mktemp("alignment")
    epochs = f"trainer.sft.max_epochs={STEPS}"
    three = [f"model.data.train_ds.{size}_batch_size=3" for size in ("global", "micro")]
    packed = [
        f"model.data.{part}.{value}"
        for part in ("train_ds", "validation_ds")
        for value in ("packed_sequence=true", "micro_batch_size=1", "global_batch_size=1")
    ]
    runs = {
        "sft": sft(small_base, root / "sft", SAMPLES / "chat.jsonl"),
        "alone": sft(small_base, root / "alone", three_short, epochs, *three),
        "packed": sft(small_base, root / "packed", three_short, epochs, *packed),
        "dpo": dpo(small_base, root / "dpo"),
    }
    for loss in [name for name in FIRST_LOSSES if name != "dpo"]:
        runs[loss] = dpo(
            small_base, root / loss, f"model.dpo.preference_loss={loss}", "model.dpo.ref_policy_kl_penalty=0.1",
            "trainer.dpo.max_steps=2", "trainer.dpo.val_check_interval=2",
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.many_runs", json.dumps(list(runs.values()))],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    (root / "said").write_text(done.stdout)
    return {name: root / name for name in (*runs, "said")}


def test_openai_messages_train_without_a_conversion_by_hand(one_process) -> None:
    record = run_record.read(one_process["sft"])
    train = record.examples["splits"]["train"]
    assert record.status == "done"
    assert train["given"] == [str(SAMPLES / "chat.jsonl")]
    assert train["reads"] == str(one_process["sft"] / "examples" / "train.jsonl")
    assert train["read"] == 110
    assert train["kept"] + train["dropped"].get("too_long", 0) == 110
    assert 0 < train["learnt_tokens"] < train["tokens"]


def test_packed_examples_train_as_they_do_alone(one_process) -> None:
    """Three examples in one sequence, and in a batch of three: any attention across them would change the loss."""
    assert run_record.read(one_process["packed"]).examples["splits"]["train"]["samples"] == 1
    assert len(losses(one_process["alone"])) == STEPS
    assert losses(one_process["packed"]) == pytest.approx(losses(one_process["alone"]), abs=ACROSS_LAYOUTS, rel=0)


@pytest.mark.parametrize("layout", ["TP=2", pytest.param("PP=2", marks=pytest.mark.long)])
def test_sft_losses_are_those_of_one_process(layout, one_process, small_base, langadapt, tmp_path) -> None:
    langadapt(*sft(small_base, tmp_path, SAMPLES / "chat.jsonl", *LAYOUTS[layout]))
    assert len(losses(tmp_path)) == STEPS
    assert losses(tmp_path) == pytest.approx(losses(one_process["sft"]), abs=ACROSS_LAYOUTS, rel=0)


@pytest.mark.parametrize("layout", ["TP=2", pytest.param("PP=2", marks=pytest.mark.long)])
def test_dpo_losses_and_log_probs_are_those_of_one_process(
    layout, one_process, small_base, langadapt, tmp_path
) -> None:
    langadapt(*dpo(small_base, tmp_path, *LAYOUTS[layout]))
    assert len(losses(tmp_path)) == STEPS
    assert losses(tmp_path) == pytest.approx(losses(one_process["dpo"]), abs=ACROSS_LAYOUTS, rel=0)
    metrics = zip(run_record.read_metrics(tmp_path), run_record.read_metrics(one_process["dpo"]), strict=True)
    for ours, theirs in metrics:
        for name in [key for key in theirs if "logps" in key]:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-5)


@pytest.mark.parametrize("loss", FIRST_LOSSES)
def test_every_preference_loss_runs_and_starts_where_its_formula_says(loss, one_process) -> None:
    assert losses(one_process[loss])[0] == pytest.approx(FIRST_LOSSES[loss], rel=1e-5)
    assert losses(one_process[loss])[1] != losses(one_process[loss])[0]


def test_dpo_reports_margin_accuracy_and_log_probs_everywhere(one_process) -> None:
    metrics = run_record.read_metrics(one_process["dpo"])
    last = metrics[STEPS - 1]
    assert last["train/margin"] == pytest.approx(
        last["train/rewards_chosen_mean"] - last["train/rewards_rejected_mean"]
    )
    assert last["train/logps_chosen_mean"] < 0
    assert {"val/margin", "val/acc", "val/logps_chosen_mean", "val/logps_rejected_mean"} <= set(metrics[-1])
    assert {"margin", "accuracy", "log p chosen", "log p rejected"} <= set(curves_of(metrics))
    line = next(line for line in one_process["said"].read_text().splitlines() if "log p chosen" in line)
    assert all(name in line for name in ("margin: ", "accuracy: ", "log p rejected: "))
    events = b"".join(path.read_bytes() for path in one_process["dpo"].rglob("events.out.tfevents*"))
    assert b"train/margin" in events
    assert b"train/logps_chosen_mean" in events
