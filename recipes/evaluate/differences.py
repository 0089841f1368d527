"""How two models differ on the same items of a task, of several, and of groups of them: figures and what follows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from data_prep.errors import LangadaptError
from data_prep.receipts import langadapt_version
from recipes.evaluate.item_logs import Evaluation, check_same_task, check_score, pair, scored
from recipes.evaluate.statistics import (
    LEVEL,
    POWER,
    Values,
    detectable,
    detectable_paired,
    detectable_unpaired,
    holm,
    mcnemar,
    paired_bootstrap,
)

SAMPLES = 10_000
"""Bootstrap draws; with 1,000, no p-value would be below 0.05 after a correction for 51 tasks."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two compared."""

    evaluation: Evaluation
    model: str


def tasks_of(side: Side) -> list[str]:
    """Tasks the model was scored on."""
    return [name for name, task in side.evaluation.tasks.items() if side.model in task["scores"]]


def compare(one: Side, other: Side, tasks: Sequence[str], *, samples: int, seed: int) -> dict[str, Any]:
    """Everything the output file holds.

    Raises:
        LangadaptError: Some task cannot be compared.
    """
    found = {name: compare_task(one, other, name, samples=samples, seed=seed) for name in tasks}
    return {
        "baseline": {"model": one.model, "evaluation": str(one.evaluation.path)},
        "model": {"model": other.model, "evaluation": str(other.evaluation.path)},
        "tasks": conclude(found, other.model),
        "groups": dict(compare_groups(one.evaluation.groups, found)),
        "not_compared": sorted(set(tasks_of(one)) ^ set(tasks_of(other))),
        "level": LEVEL,
        "power": POWER,
        "bootstrap_samples": samples,
        "seed": seed,
        "version": langadapt_version(),
    }


def compare_task(one: Side, other: Side, task: str, *, samples: int, seed: int) -> dict[str, Any]:
    """How `other` differs from `one` in a task, in the unit of its headline metric.

    Raises:
        LangadaptError: The two results are not of the same thing, or their logs do not give them.
    """
    about, also = one.evaluation.tasks[task], other.evaluation.tasks[task]
    check_same_task(task, about, also)
    where = f"task {task}, {one.model} in {one.evaluation.path}, {other.model} in {other.evaluation.path}"
    pairs = pair(one.evaluation.log(one.model, task), other.evaluation.log(other.model, task), where=where)
    metric = about["headline"]
    left, right = (scored(side, metric) for side in zip(*pairs, strict=True))
    values = [float(side.statistic(side.rows.mean(axis=0))) for side in (left, right)]
    for side, value in zip((one, other), values, strict=True):
        stated = side.evaluation.tasks[task]["scores"][side.model][metric]["value"]
        check_score(value, stated, metric, f"task {task}, model {side.model} of {side.evaluation.path}")
    difference = paired_bootstrap(left.rows, right.rows, left.statistic, samples=samples, seed=seed)
    return {
        "lang": about["lang"],
        "metric": metric,
        "points": left.points,
        "baseline": values[0],
        "model": values[1],
        **asdict(difference),
        "test": "paired bootstrap",
        "detectable": detectable(difference.standard_error),
        **(_right_or_wrong(left.rows[:, 0], right.rows[:, 0]) if _is_binary(left.rows, right.rows) else {}),
    }


def _is_binary(*rows: Values) -> bool:
    return all(table.shape[1] == 1 and bool(np.isin(table, (0, 1)).all()) for table in rows)


def _right_or_wrong(one: Values, other: Values) -> dict[str, Any]:
    """What is known besides of items that are right or wrong."""
    gained, lost = int((other > one).sum()), int((other < one).sum())
    return {
        "test": "exact McNemar",
        "p": mcnemar(one, other),
        "gained": gained,
        "lost": lost,
        "detectable": detectable_paired((gained + lost) / len(one), len(one)),
        "detectable_unpaired": detectable_unpaired(float(one.mean()), float(other.mean()), len(one)),
    }


def conclude(found: Mapping[str, Mapping[str, Any]], model: str) -> dict[str, dict[str, Any]]:
    """Each task with its p-value corrected for the number of tasks, and what follows in words."""
    corrected = holm([task["p"] for task in found.values()])
    return {
        name: {**task, "p_holm": p, "verdict": verdict(task, p, model, len(found))}
        for (name, task), p in zip(found.items(), corrected, strict=True)
    }


def verdict(task: Mapping[str, Any], p_holm: float, model: str, tasks: int) -> str:
    """What the items show, in words."""
    if task["delta"] == task["standard_error"] == 0:
        return f"the same on each of {task['items']} items"
    if p_holm < LEVEL:
        return f"{model} is {'better' if task['delta'] > 0 else 'worse'}"
    if task["p"] < LEVEL:
        return f"no difference that stands among {tasks} tasks"
    return f"no difference that {task['items']} items could show"


def compare_groups(
    groups: Mapping[str, Sequence[str]], found: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The mean difference of every group whose tasks were all compared, in points of 100.

    Tasks are independent samples: the variance of the mean is the sum of theirs over the square of their number.
    """
    for name, group in groups.items():
        if not set(group) <= set(found):
            continue
        tasks = [found[task] for task in group]
        delta = sum(task["delta"] * task["points"] for task in tasks) / len(tasks)
        error = math.hypot(*(task["standard_error"] * task["points"] for task in tasks)) / len(tasks)
        reach = float(norm.ppf(1 - LEVEL / 2)) * error
        yield (
            name,
            {
                "tasks": len(tasks),
                "delta": delta,
                "standard_error": error,
                "low": delta - reach,
                "high": delta + reach,
                "detectable": detectable(error),
            },
        )


def compare_what_can_be(
    one: Side, other: Side, *, samples: int, seed: int
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """A comparison that leaves out what cannot be compared, and why, for a page that shows what there is."""
    found, refused = {}, {}
    for name in [name for name in tasks_of(one) if name in tasks_of(other)]:
        try:
            found[name] = compare_task(one, other, name, samples=samples, seed=seed)
        except LangadaptError as error:
            refused[name] = error.what
    groups = dict(compare_groups(one.evaluation.groups, found))
    return ({"tasks": conclude(found, other.model), "groups": groups} if found else None), refused
