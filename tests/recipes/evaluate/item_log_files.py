"""Evaluations with item logs, in the format of the verb, whose every figure is known."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Answers = Mapping[str, Sequence[Any]]
"""{model: what it got for each item}: 0 or 1 of a choice, a text of a generation."""


def items_of(answers: Sequence[Any], targets: Sequence[str] | None = None, prompt: str = "prompt") -> list[dict]:
    """Lines of a log: right or wrong items, or texts beside their targets."""
    return [
        {
            "id": f"item-{number}",
            "index": number,
            "prompt_hash": f"{prompt}-{number}",
            "target": targets[number] if targets else 0,
            "prediction": answer if targets else 1 - answer,
            "metrics": {} if targets else {"acc": float(answer)},
        }
        for number, answer in enumerate(answers)
    ]


def task(lang: str, items: int, scores: Mapping[str, float], *, metric: str = "acc", **more: Any) -> dict[str, Any]:
    """An entry of `tasks`."""
    return {
        "lang": lang, "groups": [], "items": items, "num_fewshot": 0, "version": "1", "scoring": "continuation",
        "headline": metric, "signature": None,
        "scores": {model: {metric: {"value": value, "standard_error": 0.02}} for model, value in scores.items()},
        **more,
    }  # fmt: skip


def write_evaluation(
    path: Path, tasks: Mapping[str, Answers], *, langs: Mapping[str, str] | None = None, prompt: str = "prompt",
    groups: Mapping[str, list[str]] | None = None, **more: Any,
) -> Path:  # fmt: skip
    """An evaluation of choice tasks, from what each model got right.

    Args:
        path: The JSON file.
        tasks: By name.
        langs: Of tasks that are not Hindi.
        prompt: First part of every prompt's hash.
        groups: Tasks by group.
        more: Keys of every task, or of the file where it knows them.
    """
    entries = {}
    for name, answers in tasks.items():
        scores = {model: sum(right) / len(right) for model, right in answers.items()}
        lang = (langs or {}).get(name, "hi-Deva")
        entries[name] = task(lang, len(next(iter(answers.values()))), scores, **more)
        for model, right in answers.items():
            write_log(path.with_name("items") / model / f"{name}.jsonl", items_of(right, prompt=prompt))
    content = {
        "tasks": entries,
        "groups": {name: {"tasks": members, "scores": {}} for name, members in (groups or {}).items()},
        "items_folder": "items",
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_log(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
