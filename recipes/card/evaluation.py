"""What was measured, with its error: tables for the reader, and the same numbers for the hub's metadata."""

from collections.abc import Iterable, Mapping
from typing import Any

from recipes.card.facts import Facts, Model
from recipes.card.markdown import table
from recipes.card.places import STAGES
from recipes.evaluate.item_logs import points
from recipes.report.wording import DASH, count, decimal

HELD_OUT = "held-out-documents"
"""The name bits per byte are filed under in a card's metadata."""


def shown_models(model: Model) -> list[str]:
    """The models of the evaluation up to this one, in the order they were trained."""
    named = model.evaluation["models"] if model.evaluation else {}
    if model.evaluated_as is None:
        return []
    earlier = STAGES[: STAGES.index(model.stage)]
    return [stage for stage in earlier if stage in named and stage != model.evaluated_as] + [model.evaluated_as]


def with_error(value: float | None, error: float | None, digits: int) -> str:
    """`1.71 ± 0.03`; a dash for an error that was not measured."""
    return DASH if value is None else f"{decimal(value, digits)} ± {decimal(error, digits)}"


def bits_table(model: Model) -> str:
    """Bits per byte by language of this model and those before it."""
    evaluation, names = model.evaluation or {}, shown_models(model)
    rows = [
        [
            lang,
            count(sum(evaluation["documents"][lang].values())),
            *(with_error(rates.get(name), evaluation["standard_error"][lang].get(name), 3) for name in names),
        ]
        for lang, rates in evaluation.get("bits_per_byte", {}).items()
        if names
    ]
    return table(["language", "documents", *names], rows)


def tasks_of(model: Model) -> dict[str, Facts]:
    """Tasks this model has a score in."""
    tasks: dict[str, Facts] = (model.evaluation or {}).get("tasks") or {}
    return {name: task for name, task in tasks.items() if model.evaluated_as in task["scores"]}


def digits_of(metric: str) -> int:
    """Decimals of a score: one where it lies between 0 and 100, three where it lies between 0 and 1."""
    return 1 if points(metric) == 1 else 3


def tasks_table(model: Model) -> str:
    """The headline metric of every task."""
    names = shown_models(model)
    rows = []
    for name, task in tasks_of(model).items():
        metric = task["headline"]
        scores = [task["scores"].get(each, {}).get(metric, {}) for each in names]
        cells = [with_error(each.get("value"), each.get("standard_error"), digits_of(metric)) for each in scores]
        rows.append([name, task["lang"], metric, task["num_fewshot"], count(task["items"]), *cells])
    return table(["task", "language", "metric", "shots", "items", *names], rows, numbers_from=3)


def groups_table(model: Model) -> str:
    """The means over groups of tasks."""
    groups: dict[str, Facts] = (model.evaluation or {}).get("groups") or {}
    names = shown_models(model)
    rows = []
    for name, group in groups.items():
        for metric in group["scores"].get(model.evaluated_as, {}):
            scores = [group["scores"].get(each, {}).get(metric, {}) for each in names]
            cells = [with_error(each.get("value"), each.get("standard_error"), digits_of(metric)) for each in scores]
            rows.append([name, ", ".join(group["tasks"]), metric, *cells])
    return table(["group", "tasks", "metric", *names], rows, numbers_from=3)


def signatures(model: Model) -> list[str]:
    """What makes a generation score repeatable: `task: signature`."""
    return [f"{name}: {task['signature']}" for name, task in tasks_of(model).items() if task.get("signature")]


def languages_measured(model: Model) -> set[str]:
    """Languages this model has any figure in."""
    bits = (model.evaluation or {}).get("bits_per_byte", {}) if model.evaluated_as else {}
    return {lang for lang, rates in bits.items() if rates.get(model.evaluated_as) is not None} | {
        task["lang"] for task in tasks_of(model).values()
    }


def results(model: Model) -> list[Any]:
    """`huggingface_hub.EvalResult`s for the metadata, standard errors among their arguments."""
    return [*_bits_results(model), *_task_results(model)]


def _bits_results(model: Model) -> Iterable[Any]:
    from huggingface_hub import EvalResult

    evaluation, name = model.evaluation or {}, model.evaluated_as
    for lang, rates in evaluation.get("bits_per_byte", {}).items():
        if rates.get(name) is not None:
            yield EvalResult(
                task_type="text-generation",
                dataset_type=HELD_OUT,
                dataset_name=f"held-out documents of the training sources, {lang}",
                dataset_config=lang,
                metric_type="bits_per_byte",
                metric_name="bits per byte (lower is better)",
                metric_value=rates[name],
                metric_args=_error(evaluation["standard_error"][lang].get(name)),
            )


def _task_results(model: Model) -> Iterable[Any]:
    from huggingface_hub import EvalResult

    for name, task in tasks_of(model).items():
        score = task["scores"][model.evaluated_as][task["headline"]]
        if score["value"] is not None:
            yield EvalResult(
                task_type="text-generation",
                dataset_type=name,
                dataset_name=f"{name} ({task['lang']})",
                dataset_args={"num_fewshot": task["num_fewshot"], "version": task["version"]},
                metric_type=task["headline"],
                metric_name=task["headline"],
                metric_value=score["value"],
                metric_args=_error(score["standard_error"]),
            )


def _error(value: float | None) -> Mapping[str, float] | None:
    return None if value is None else {"standard_error": value}
