"""What a run's evaluation says: bits per byte, tasks and their differences, contamination, judgements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.evaluate import differences
from recipes.evaluate.contamination import NAME as CONTAMINATION
from recipes.evaluate.item_logs import points, read_evaluation
from recipes.report.files import RUNS, Facts, read_json, strict

EVALUATION = "evaluation.json"
# What of a file with bits per byte the report shows.
EVALUATED = (
    "bits_per_byte",
    "standard_error",
    "difference",
    "by_kind",
    "standard_error_by_kind",
    "documents",
    "bytes",
    "models",
    "seconds",
)
# What of `recipes.evaluate.contamination`'s file the report shows.
CONTAMINATED = ("ngram", "documents", "sets", "scores")
JUDGED = ("kind", "judge", "usage", "models")


def read(workdir: Path) -> Facts | None:
    """The evaluation's file; it has bits per byte, tasks, or both."""
    path = workdir / EVALUATION
    found = read_json(path)
    if found is not None and (not found.get("tasks") or "bits_per_byte" in found):
        read_json(path, *EVALUATED)
    evaluation: Facts | None = strict(found)
    return evaluation


def bits_per_byte(evaluation: Facts) -> dict[str, Facts] | None:
    """Per language the figure of each model, errors over documents, differences from the first, and what was read."""
    return {
        lang: {
            **rates,
            "standard_error": evaluation["standard_error"][lang],
            "difference": evaluation["difference"][lang],
            "documents": sum(evaluation["documents"][lang].values()),
            "bytes": sum(evaluation["bytes"][lang].values()),
        }
        for lang, rates in evaluation.get("bits_per_byte", {}).items()
    } or None


def in_training_order(models: Sequence[str]) -> list[str]:
    """Stages of a recipe first, as they follow each other, then other models as they stand."""
    return [*(stage for stage in RUNS if stage in models), *(model for model in models if model not in RUNS)]


def tasks(workdir: Path, evaluation: Facts) -> Facts | None:
    """Scores by task, group and model, and how every model differs from the first on the same items."""
    if not evaluation.get("tasks"):
        return None
    logs = read_evaluation(workdir / EVALUATION)
    first, *others = in_training_order(logs.models)
    return {
        "models": [first, *others],
        "tasks": {name: _task(task) for name, task in logs.tasks.items()},
        "comparisons": [_compared(differences.Side(evaluation=logs, model=first), other) for other in others],
    }


def _task(task: Facts) -> Facts:
    """A task's headline scores, in points of 100."""
    metric, unit = task["headline"], points(task["headline"])
    scores = {model: found[metric] for model, found in task["scores"].items()}
    return {
        **{name: task[name] for name in ("lang", "items", "num_fewshot", "scoring")},
        "metric": metric,
        "scores": {
            model: {name: None if value is None else unit * value for name, value in score.items()}
            for model, score in scores.items()
        },
    }


def _compared(baseline: differences.Side, model: str) -> Facts:
    found, refused = differences.compare_what_can_be(
        baseline, differences.Side(evaluation=baseline.evaluation, model=model), samples=differences.SAMPLES, seed=0
    )
    return {"baseline": baseline.model, "model": model, **(found or {"tasks": {}, "groups": {}}), "refused": refused}


def contamination(workdir: Path) -> Facts | None:
    """Evaluation items found in the training text; the ids of the items stay in their file."""
    found = read_json(workdir / CONTAMINATION, *CONTAMINATED)
    if found is None:
        return None
    sets = {name: {**each} for name, each in found["sets"].items()}
    for each in sets.values():
        del each["touched_items"]
    return {**{name: found[name] for name in CONTAMINATED}, "sets": sets}


def judgements(workdir: Path) -> dict[str, Facts] | None:
    """What language models judged, by the file it lies in: judge.json, judge_pairs.json, ..."""
    kept: tuple[str, ...] = (*JUDGED, "pairs", "comparisons")
    files = {path.stem: read_json(path, *JUDGED) for path in sorted(workdir.glob("judge*.json"))}
    shown: dict[str, Any] = {
        name: {key: found[key] for key in kept if key in found} for name, found in files.items() if found is not None
    }
    return shown or None
