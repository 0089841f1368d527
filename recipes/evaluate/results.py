"""Task results on disk, one file a model and task, and what the output file says of all of them."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.files import atomic_write
from recipes.evaluate.harness import TaskRun
from recipes.evaluate.task_data import LoadedTask

Record = dict[str, Any]
"""What is kept of a task run beside its items: identity, scores, signature, truncated, items."""


def items_folder(output: Path) -> Path:
    """The folder of item logs beside an output file."""
    return output.with_name(f"{output.stem}_items")


def read_record(folder: Path, model: str, task: str, identity: str) -> Record | None:
    """The record of an earlier run, if it was of these very settings, weights and data, and its log is whole."""
    path = folder / model / f"{task}.json"
    try:
        record: Record = json.loads(path.read_bytes())
        lines = path.with_suffix(".jsonl").read_bytes().count(b"\n")
        return record if record["identity"] == identity and record["items"] == lines else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_run(folder: Path, model: str, task: str, identity: str, run: TaskRun) -> Record:
    """Writes log, then record; a kill between them leaves no record, and the task is run again."""
    path = folder / model / f"{task}.json"
    with atomic_write(path.with_suffix(".jsonl")) as file:
        for item in run.items:
            file.write(json.dumps(item, ensure_ascii=False).encode() + b"\n")
    record = {
        "identity": identity,
        "items": len(run.items),
        "truncated": run.truncated,
        "signature": run.signature,
        "scores": run.scores,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(record, ensure_ascii=False, indent=1).encode() + b"\n")
    return record


def task_figures(loaded: Sequence[LoadedTask], records: Mapping[str, Mapping[str, Record]]) -> dict[str, Any]:
    """`tasks` of the output file.

    Args:
        loaded: The tasks.
        records: By model, then task.
    """
    return {
        task.entry.name: _one_task(task, {model: by[task.entry.name] for model, by in records.items()})
        for task in loaded
    }


def _one_task(task: LoadedTask, by_model: Mapping[str, Record]) -> dict[str, Any]:
    first = next(iter(by_model.values()))
    return {
        "lang": task.lang,
        "groups": list(task.entry.groups),
        "items": first["items"],
        "num_fewshot": task.num_fewshot,
        "version": str(task.task.VERSION),
        "scoring": task.scoring,
        "headline": task.headline,
        "signature": first["signature"],
        "truncated": {model: record["truncated"] for model, record in by_model.items()},
        "scores": {model: record["scores"] for model, record in by_model.items()},
    }


def group_figures(tasks: Mapping[str, Any], averaged: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    """`groups` of the output file.

    Args:
        tasks: From `task_figures`.
        averaged: By group, the metrics whose mean over its tasks it asks for, and whether a task counts by its items.
    """
    names = dict.fromkeys(group for task in tasks.values() for group in task["groups"])
    return {
        group: {
            "tasks": (members := [name for name, task in tasks.items() if group in task["groups"]]),
            "by_items": dict(averaged.get(group, {})),
            "scores": _group_scores([tasks[name] for name in members], averaged.get(group, {})),
        }
        for group in names
    }


def _group_scores(members: Sequence[Mapping[str, Any]], metrics: Mapping[str, bool]) -> dict[str, Any]:
    return {
        model: {
            metric: average(
                [task["scores"][model][metric] for task in members],
                [task["items"] if by_size else 1 for task in members],
            )
            for metric, by_size in metrics.items()
            if all(metric in task["scores"][model] for task in members)
        }
        for model in members[0]["scores"]
    }


def average(scores: Sequence[Mapping[str, float | None]], weights: Sequence[float]) -> dict[str, float | None]:
    """Weighted mean of tasks' values; its standard error takes the tasks as independent."""
    total = sum(weights)
    shares = [weight / total for weight in weights]
    value = sum(share * (score["value"] or 0) for share, score in zip(shares, scores, strict=True))
    errors = [score["standard_error"] for score in scores]
    known = [share * error for share, error in zip(shares, errors, strict=True) if error is not None]
    return {
        "value": round(value, 6),
        "standard_error": round(math.hypot(*known), 6) if len(known) == len(scores) else None,
    }
