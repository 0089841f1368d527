"""A run folder as `langadapt demo` leaves it, written with the classes that write a real one."""

import json
import math
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from data_prep.blend.plan import plan
from data_prep.blend.records import Dataset
from data_prep.blend.settings import BlendSettings
from data_prep.layout import Layout, receipt_path
from data_prep.receipts import ByKind, Receipt
from recipes import run_record
from recipes.run_record import RunRecord
from tests.recipes.evaluate.item_log_files import write_evaluation

# Documents, characters and tokens of each dataset and split.
CORPUS = {
    ("sample", "hi-Deva", "real"): {"train": (118, 96_410, 30_215), "heldout": (13, 10_077, 3_190)},
    ("sample", "en-Latn", "real"): {"train": (117, 104_932, 27_604), "heldout": (12, 11_260, 2_981)},
    ("sample", "hi-Latn", "romanized"): {"train": (118, 101_733, 36_880), "heldout": (13, 10_614, 3_907)},
    ("sample", "hi-Deva", "translated"): {"train": (40, 22_106, 7_002), "heldout": (4, 2_050, 655)},
}
GROUND = {
    "name": "portable",
    "device": "cpu",
    "missing": ["ngc_image", "cuda", "apex", "transformer_engine"],
    "versions": {
        "nemo-toolkit": "2.1.0",
        "megatron-core": "0.10.0",
        "nemo-aligner": "0.7.0",
        "torch": "2.13.0+cpu",
        "transformers": "4.48.3",
        "langadapt": "0.1.0",
    },
}
COMMIT = "4f1c2d9e8b7a65c4d3e2f1a0b9c8d7e6f5a4b3c2"


def receipt(path: Path, stage: str, by: ByKind, *, seconds: float, dropped: dict[str, int] | None = None) -> None:
    """A stage's receipt with the given tallies."""
    cells = [cell for kinds in by.values() for cell in kinds.values()]
    documents = sum(cell["documents"] for cell in cells)
    Receipt(
        stage=stage,
        config_hash="0" * 64,
        code_version="0.1.0",
        inputs={},
        outputs={},
        counts={"in": documents + sum((dropped or {}).values()), "kept": documents, "dropped": dropped or {}},
        documents=documents,
        characters=sum(cell["characters"] for cell in cells),
        tokens=sum(cell["tokens"] for cell in cells),
        by=by,
        details={},
        seconds=seconds,
        created="2026-01-05T10:00:00+00:00",
    ).write(path)


def write_corpus(data: Path) -> None:
    layout = Layout(data)
    for (source, lang, kind), splits in CORPUS.items():
        name = f"{source}.{lang}.{kind}"
        for split, (documents, characters, tokens) in splits.items():
            by = {lang: {kind: {"documents": documents, "characters": characters, "tokens": tokens}}}
            receipt(receipt_path(layout.prefix(name, split)), "tokenize", by, seconds=0.25)
        stage, dropped = ("romanize", {}) if kind == "romanized" else ("ingest", {"empty": 1})
        folder = "documents" if stage == "romanize" else stage
        receipt(layout.stage_receipt(folder, name, "00000"), stage, {}, seconds=0.5, dropped=dropped)


def write_blend(folder: Path, name: str, budget: int, shares: dict[str, float], kinds: tuple[str, ...]) -> None:
    settings = BlendSettings(
        tokens_dir=folder, output=folder / f"{name}.yaml", budget_tokens=budget, language_shares=shares,
        kinds=kinds, max_epochs=100.0, sequence_length=256,
    )  # fmt: skip
    datasets = [
        Dataset(
            prefix=f"/runs/demo/data/tokens/{split}/{source}.{lang}.{kind}_text_document", source=source, lang=lang,
            kind=kind, split=split, documents=documents, tokens=tokens, tokenizer_sha256="0" * 64,
        )
        for (source, lang, kind), splits in CORPUS.items()
        for split, (documents, _, tokens) in splits.items()
    ]  # fmt: skip
    write_json(folder / f"{name}.json", asdict(plan(datasets, settings)))


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, default=str, ensure_ascii=False), encoding="utf-8")


SIZES = {"model": {"global_batch_size": 16, "encoder_seq_length": 256}}


def write_run(folder: Path, stage: str, layout: tuple[int, int, int], seconds: float, lines: list[dict[str, Any]],
              *, status: str = "done", config: dict[str, Any] | None = None) -> None:  # fmt: skip
    losses = [line.get("reduced_train_loss", line.get("train/loss")) for line in lines]
    losses = [loss for loss in losses if loss is not None]
    RunRecord(
        stage=stage, status=status, identity="0" * 64, config=config or SIZES, inputs={},
        layout=dict(zip(("tensor", "pipeline", "data"), layout, strict=True)), ground=GROUND,
        git={"commit": COMMIT, "modified": False}, steps=len(losses), first_loss=losses[0], last_loss=losses[-1],
        seconds=seconds, model=str(folder / "checkpoints" / "megatron_gpt.nemo"),
    ).write(folder)  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / run_record.METRICS_NAME).write_text(text, encoding="utf-8")


def falling(steps: int, first: float, last: float, seed: int) -> list[float]:
    """A noisy curve that starts and ends exactly at the given values."""
    noise = random.Random(seed)
    inner = [
        last + (first - last) * math.exp(-4.0 * step / steps) + noise.gauss(0, 0.035 * (first - last))
        for step in range(1, steps - 1)
    ]
    return [first, *inner, last]


def nemo_lines(losses: list[float], every: int) -> list[dict[str, Any]]:
    """Lines as NeMo logs them: validation of a step carries the same number, in a line of its own."""
    lines: list[dict[str, Any]] = []
    for step, loss in enumerate(losses):
        lines.append({"step": step, "reduced_train_loss": loss, "lr": 1e-3, "grad_norm": 1.0})
        if (step + 1) % every == 0:
            lines.append({"step": step, "val_loss": loss + 0.12})
    return lines


def monitor_lines(changes: dict[str, list[float]], every: int) -> list[dict[str, Any]]:
    """Lines as the forgetting monitor logs them: the first before any step; a language and a set of it each."""
    readings = zip(*changes.values(), strict=True)
    return [
        {"step": number * every - 1}
        | {f"monitor/change/{lang}": change for lang, change in zip(changes, row, strict=True)}
        | {f"monitor/change/sample.{lang}.real": change for lang, change in zip(changes, row, strict=True)}
        for number, row in enumerate(readings)
    ]


def aligner_lines(losses: list[float], every: int, extra: list[dict[str, float]] | None = None) -> list[dict[str, Any]]:
    """Lines as NeMo-Aligner logs them: validation carries the number of steps done."""
    lines: list[dict[str, Any]] = []
    for step, loss in enumerate(losses):
        more = (extra or [{}] * len(losses))[step]
        lines.append({"step": step, "train/loss": loss, **{f"train/{key}": value for key, value in more.items()}})
        if (step + 1) % every == 0:
            lines.append(
                {"step": step + 1, "val/loss": loss + 0.03, **{f"val/{key}": value for key, value in more.items()}}
            )
    return lines


def rewards(steps: int) -> list[dict[str, float]]:
    """Chosen up, rejected down; nothing at the first step; 4.25 apart with 0.875 of the pairs won at the last."""
    noise = random.Random(7)
    rows = [{"rewards_chosen_mean": 0.0, "rewards_rejected_mean": 0.0, "acc": 0.0}]
    for step in range(1, steps - 1):
        progress = step / (steps - 1)
        rows.append(
            {
                "rewards_chosen_mean": 1.2 * progress + noise.gauss(0, 0.25),
                "rewards_rejected_mean": -3.0 * progress + noise.gauss(0, 0.35),
                "acc": min(1.0, max(0.0, round((0.45 + 0.5 * progress + noise.gauss(0, 0.12)) * 8) / 8)),
            }
        )
    last = {"rewards_chosen_mean": 1.25, "rewards_rejected_mean": -3.0, "acc": 0.875}
    return [*rows, last | {"logps_chosen_mean": -40.5, "logps_rejected_mean": -61.25}]


PARITY = {
    "max_abs_logit_diff": 1.19e-5,
    "positions": 1024,
    "tolerance": 1e-4,
    "max_abs_logit": 14.2,
    "argmax_agreement": 1.0,
    "dtype": "float32",
}

RATES = {
    "en-Latn": {"real": (12, 11_302, {"base": 2.021, "cpt": 2.103, "dpo": 2.137})},
    "hi-Deva": {
        "real": (13, 26_118, {"base": 2.892, "cpt": 1.861, "dpo": 1.889}),
        "translated": (4, 5_310, {"base": 3.01, "cpt": 1.938, "dpo": 1.966}),
    },
    "hi-Latn": {"romanized": (13, 10_640, {"base": 3.305, "cpt": 2.488, "dpo": 2.501})},
}
BITS = {
    "en-Latn": {"base": 2.021, "cpt": 2.103, "dpo": 2.137},
    "hi-Deva": {"base": 2.912, "cpt": 1.874, "dpo": 1.902},
    "hi-Latn": {"base": 3.305, "cpt": 2.488, "dpo": 2.501},
}
PAIRED = {
    "en-Latn": {"base": {"cpt": {"delta": 0.082, "standard_error": 0.011, "low": 0.061, "high": 0.104}}},
    "hi-Deva": {"base": {"cpt": {"delta": -1.038, "standard_error": 0.03, "low": -1.1, "high": -0.98}}},
    "hi-Latn": {"base": {"cpt": {"delta": -0.817, "standard_error": 0.02, "low": None, "high": None}}},
}
ERRORS = {lang: {"base": 0.061, "cpt": 0.044, "dpo": 0.045} for lang in BITS}


def sample(lang: str, kind: str, prompt: str, **answers: str) -> dict[str, Any]:
    """A prompt with each model's answer."""
    texts = [{"model": model, "text": text} for model, text in answers.items()]
    return {"lang": lang, "kind": kind, "prompt": prompt, "system": None, "answers": texts}


EVALUATION = {
    "bits_per_byte": BITS,
    "standard_error": ERRORS,
    "difference": PAIRED,
    "by_kind": {lang: {kind: cell[2] for kind, cell in kinds.items()} for lang, kinds in RATES.items()},
    "standard_error_by_kind": {lang: dict.fromkeys(kinds, ERRORS[lang]) for lang, kinds in RATES.items()},
    "documents": {lang: {kind: cell[0] for kind, cell in kinds.items()} for lang, kinds in RATES.items()},
    "bytes": {lang: {kind: cell[1] for kind, cell in kinds.items()} for lang, kinds in RATES.items()},
    "generations": [
        sample(
            "hi-Deva", "text", "भारत में बारिश का मौसम",
            base="ीीा ्रा the ा of the ्",
            cpt=" में भी अच्छी होती है। इसके बाद खेतों में पानी भर जाता है और किसान धान की रोपाई करते हैं।",
            dpo=" में भी अच्छी होती है। इसके बाद खेतों में पानी भर जाता है, और लोग चाय पीते हैं।",
        ),
        sample(
            "en-Latn", "text", "The river rises in the hills and",
            base=" the people of the village are also used to make the water of the day.",
            cpt=" the village is a small of the water in the same time.", dpo="",
        ),
        sample(
            "hi-Deva", "chat", "चाय बनाने का आसान तरीका बताइए।",
            base="the of the", cpt="पानी को उबालें और फिर दूध डालें।", dpo="1. पानी उबालें।\n2. चायपत्ती डालें।\n3. दूध मिलाएँ।",
        ),
    ],
    "models": {name: f"/runs/demo/hf/{name}" for name in ("base", "cpt", "dpo")},
    "seconds": 18.2,
}  # fmt: skip


FERTILITY = {
    "rows": [
        {"tokenizer": "base", "lang": lang, "kind": kind, "documents": documents, "tokens_per_word": tokens,
         "standard_error": error, "bytes_per_token": size, "fallback": fallback, "words_in_context": context,
         "training_days": days}
        for lang, kind, documents, tokens, error, size, fallback, context, days in (
            ("en-Latn", "real", 12, 1.74, 0.03, 3.09, 0.0, 2352, 5.0),
            ("hi-Deva", "real", 13, 2.36, 0.04, 6.63, 0.024, 1735, 6.8),
            ("hi-Latn", "romanized", 1, 1.73, None, 3.11, 0.0, 2361, 5.0),
        )
    ],
    "verdicts": [
        {"tokenizer": "base", "lang": "hi-Deva", "kind": "real", "extend": True,
         "why": "2.36 tokens a word (at most 2.00), 2.40% of characters without a piece (at most 1.00%)"},
    ],
    "assumed": {"words": 118_000_000_000, "context_length": 4096},
}  # fmt: skip


def right(share: float, items: int, seed: int) -> list[int]:
    """1 for a share of the items, in an order of its own."""
    answers = [int(number < round(share * items)) for number in range(items)]
    random.Random(seed).shuffle(answers)
    return answers


TASKS = {
    "mmlu_hi_letter": {
        "base": [1] * 15 + [0] * 45,
        "cpt": [1] * 12 + [0] * 30 + [1] * 18,
        "dpo": [0] * 12 + [1] * 30 + [0] * 18,
    },
    "hellaswag": {"base": right(0.60, 40, 4), "cpt": right(0.55, 40, 5), "dpo": right(0.575, 40, 6)},
    "boolq": {"base": [1] * 24 + [0] * 16, "cpt": [1] * 24 + [0] * 16, "dpo": [1] * 8 + [0] * 32},
}
LANGS = {"hellaswag": "en-Latn", "boolq": "en-Latn"}
CONTAMINATION = {
    "ngram": 13, "min_words": 8, "documents": 435, "shards": 4,
    "sets": {
        "mmlu_hi_letter": {
            "items": 200, "too_short": 31, "boilerplate": 0, "fields": ["question", "choices"], "touched": 3,
            "share": 0.015, "documents": 4, "by": {"sample": {"real": {"documents": 4, "items": 3}}},
            "examples": [
                {"item": "item-4", "document": "hi-17", "source": "sample", "kind": "real", "words": "गंगा नदी हिमालय"}
            ],
            "touched_items": ["item-4", "item-5", "item-9"],
        }
    },
    "scores": {
        "mmlu_hi_letter": {
            "cpt": {
                "metric": "acc", "points": 100.0,
                "all": {"items": 200, "value": 0.4, "standard_error": 0.035},
                "clean": {"items": 197, "value": 0.391, "standard_error": 0.035},
                "touched": {"items": 3, "value": 1.0, "standard_error": 0.0},
            }
        }
    },
}  # fmt: skip
GRADES = {"items": 40, "valid": 37, "invalid": {"no JSON object": 2}, "unanswered": {"timeout": 1}}
JUDGED = {
    "kind": "reference",
    "judge": {"model": "judge-70b"},
    "usage": {"prompt_tokens": 41_000, "completion_tokens": 2_100, "cost": {"value": 0.42, "currency": "USD"}},
    "models": {
        "base": {**GRADES, "axes": {"Overall": {"mean": 1.92, "standard_error": 0.11}}},
        "dpo": {**GRADES, "axes": {"Overall": {"mean": 3.4, "standard_error": 0.09}}},
    },
    "comparisons": [],
}


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A finished demo."""
    work = tmp_path / "demo"
    write_corpus(work / "data")
    write_json(work / "fertility.json", FERTILITY)
    write_blend(work / "blend", "base", 1_228_800, {"en": 0.9, "hi": 0.1}, ("real",))
    write_blend(work / "blend", "cpt", 819_200, {"en": 0.5, "hi": 0.5}, ("real", "translated", "romanized"))
    write_run(work / "base", "pretrain", (1, 1, 1), 142.5, nemo_lines(falling(300, 8.331, 4.612, 1), 100))
    watched = monitor_lines({"en-Latn": [0.0, 2.5, 4.0], "hi-Deva": [0.0, -20.0, -36.0]}, 100)
    write_run(work / "cpt", "cpt", (2, 1, 1), 167.2, nemo_lines(falling(200, 6.127, 4.058, 2), 50) + watched)
    write_run(work / "sft", "sft", (1, 1, 1), 71.4, aligner_lines(falling(60, 4.903, 3.441, 3), 20))
    write_run(
        work / "dpo", "dpo", (1, 1, 1), 64.9, aligner_lines(falling(30, math.log(2), 0.281, 4), 15, rewards(30)),
        config={"model": {"dpo": {"preference_loss": "dpo", "ref_policy_kl_penalty": 0.2, "sft_loss_weight": 0}}},
    )  # fmt: skip
    for stage in ("base", "cpt", "dpo"):
        write_json(work / "hf" / stage / "parity.json", {**PARITY, "seconds": 9.5, "files": {}})
    write_evaluation(work / "evaluation.json", TASKS, langs=LANGS, groups={"english_retention": ["hellaswag", "boolq"]})
    tasks = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    write_json(work / "evaluation.json", {**EVALUATION, **tasks})
    write_json(work / "contamination.json", CONTAMINATION)
    write_json(work / "judge.json", JUDGED)
    steps = {
        "prep": 9.6, "blend base": 1.2, "blend cpt": 1.1, "base": 151.3, "cpt": 180.4, "sft": 83.0, "dpo": 76.2,
        "convert base": 14.1, "convert cpt": 14.0, "convert dpo": 14.3, "evaluate": 21.8,
    }  # fmt: skip
    write_json(work / "steps.json", steps)
    return work
