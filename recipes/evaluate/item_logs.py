"""An evaluation's file and its item logs, read back: what a comparison and a contamination report start from.

evaluation.json names the folder of the logs beside it; in it lies <model>/<task>.jsonl, one line an item.
"""

import functools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes.evaluate import metrics
from recipes.evaluate.statistics import Statistic, Values, mean, of_counts

SAME = ("version", "num_fewshot", "scoring", "headline", "signature")
"""What two results of a task must share before their difference means anything."""
_ROUNDING = 1e-4
"""Scores may be rounded in the evaluation's file, to this part of their scale."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an item log."""

    id: str
    prompt_hash: str
    target: Any
    prediction: Any
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation's file says about tasks.

    A group whose mean weights tasks by their items, as MMLU's 57 subjects, counts as one task with all their items.

    Attributes:
        path: The file.
        tasks: By name.
        members: The tasks of the file behind each of `tasks`, itself where it is one.
        groups: Names of `tasks` by group.
        folder: Where the item logs lie; None without any.
    """

    path: Path
    tasks: Mapping[str, Any]
    members: Mapping[str, Sequence[str]]
    groups: Mapping[str, Sequence[str]]
    folder: Path | None

    @property
    def models(self) -> list[str]:
        """Models with a score in some task."""
        return list(dict.fromkeys(model for task in self.tasks.values() for model in task["scores"]))

    def log(self, model: str, task: str) -> dict[str, Item]:
        """The items of a task as a model answered them, by id.

        Raises:
            DataError: A log is missing, damaged or empty.
        """
        logs = {member: self._read(model, member) for member in self.members[task]}
        return {item_id(task, member, name): item for member, log in logs.items() for name, item in log.items()}

    def _read(self, model: str, task: str) -> dict[str, Item]:
        if self.folder is None:
            raise _unusable("this evaluation has no item logs", self.path)
        path = self.folder / model / f"{task}.jsonl"
        try:
            items = [_DECODER.decode(line) for line in path.read_bytes().splitlines()]
        except (OSError, ValueError) as error:
            raise _unusable(f"cannot read this item log: {error}", path) from error
        if not items:
            raise _unusable("this item log is empty", path)
        return dict(zip(distinct(item.id for item in items), items, strict=True))


def item_id(unit: str, task: str, name: str) -> str:
    """An item's id where several tasks may count as one."""
    return name if unit == task else f"{task}/{name}"


def distinct(ids: Iterable[str]) -> Iterator[str]:
    """Ids made distinct: benchmarks hold some items twice, and equal items have equal ids."""
    seen: Counter[str] = Counter()
    for name in ids:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"


def unit_of(groups: Sequence[str], weighted: Collection[str], task: str) -> str:
    """What a task counts as: the outermost of its groups that weights by items, or itself."""
    return next((group for group in groups if group in weighted), task)


_DECODER = msgspec.json.Decoder(Item)


def _unusable(what: str, path: Path) -> DataError:
    return DataError(
        what,
        where=str(path),
        why="models are compared item by item",
        fix="run the evaluation again: langadapt evaluate CONFIG output=NEW.json",
    )


def read_evaluation(path: Path) -> Evaluation:
    """The tasks of an evaluation's file.

    Raises:
        UsageError: There is no such file.
        DataError: It is damaged.
    """
    if not path.is_file():
        raise UsageError(
            "there is no such evaluation", where=str(path), fix="langadapt evaluate CONFIG output=evaluation.json"
        )
    try:
        content = json.loads(path.read_bytes())
        folder = content.get("items_folder")
    except (ValueError, AttributeError) as error:
        raise _unusable(f"this is no evaluation: {error}", path) from error
    tasks, groups = content.get("tasks") or {}, content.get("groups") or {}
    weighted = {name for name, group in groups.items() if _weighted_metric(group)}
    units = {name: unit_of(task["groups"], weighted, name) for name, task in tasks.items()}
    members: dict[str, list[str]] = {}
    for name, unit in units.items():
        members.setdefault(unit, []).append(name)
    units_of = {name: list(dict.fromkeys(units[task] for task in group["tasks"])) for name, group in groups.items()}
    return Evaluation(
        path=path,
        tasks={
            unit: tasks[unit] if unit in tasks else _as_one(groups[unit], [tasks[name] for name in names])
            for unit, names in members.items()
        },
        members=members,
        groups={name: inside for name, inside in units_of.items() if not set(inside) & weighted or len(inside) > 1},
        folder=path.parent / folder if folder else None,
    )


def _weighted_metric(group: Mapping[str, Any]) -> str | None:
    """The metric whose mean over a group's tasks weights them by their items."""
    scored_by = set.intersection(*(set(scores) for scores in group["scores"].values())) if group["scores"] else set()
    return next((metric for metric, by in group.get("by_items", {}).items() if by and metric in scored_by), None)


def _as_one(group: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A group in the shape of a task."""
    versions = sorted({str(task["version"]) for task in tasks})
    return {
        **tasks[0],
        "items": sum(task["items"] for task in tasks),
        "version": ", ".join(versions),
        "headline": _weighted_metric(group),
        "scores": group["scores"],
    }


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A task's items in the shape a bootstrap draws from.

    Attributes:
        rows: [items, columns].
        statistic: The score of a mean row.
        points: What one unit of the score is, of 100: accuracies run from 0 to 1, chrF++ from 0 to 100.
    """

    rows: Values
    statistic: Statistic
    points: float


def scored(items: Sequence[Item], metric: str) -> Scored:
    """Rows whose statistic is the corpus's score: n-gram counts where the metric is one of the corpus.

    Raises:
        LangadaptError: The logs hold no value of the metric.
    """
    if metric in metrics.COUNTED:
        predictions = [str(item.prediction) for item in items]
        rows = metrics.counts(metric, predictions, [str(item.target).strip() for item in items])
        score = of_counts(functools.partial(metrics.of_counts, metric), len(items))
        return Scored(rows=np.asarray(rows, dtype=float), statistic=score, points=points(metric))
    try:
        values = np.asarray([item.metrics[metric] for item in items], dtype=float)
    except KeyError as error:
        raise LangadaptError(
            f"an item has no value of {metric}",
            where=f"item log; metrics there: {', '.join(items[0].metrics)}",
            why="a score that is not made of its items cannot be resampled",
            fix="compare tasks whose headline metric is a mean over items, or chrf++ or bleu: tasks=[NAME]",
        ) from error
    return Scored(rows=values[:, None], statistic=mean, points=points(metric))


def points(metric: str) -> float:
    """1 for metrics from 0 to 100, 100 for those from 0 to 1."""
    return 1.0 if metric in metrics.LABELS and metric not in ("f1", "exact_match") else 100.0


def check_score(found: float, stated: float, metric: str, where: str) -> None:
    """Refuse logs that do not give the score the evaluation states.

    Raises:
        DataError: They do not.
    """
    if abs(found - stated) * points(metric) > 100 * _ROUNDING:
        raise DataError(
            f"the items' {metric} is {found:.4f}, the evaluation says {stated:.4f}",
            where=where,
            why="logs of another run, or a score that is no mean over items",
            fix="run the evaluation again, or leave this task out: tasks=[NAME]",
        )


def pair(one: Mapping[str, Item], other: Mapping[str, Item], *, where: str) -> list[tuple[Item, Item]]:
    """The items of two logs, matched by id.

    Args:
        one: A log.
        other: Another model's of the same task.
        where: Names both in an error.

    Raises:
        DataError: The logs hold different items, or a prompt differs.
    """
    shared = [item for item in one if item in other]
    if len(shared) < max(len(one), len(other)):
        raise DataError(
            f"the two logs hold different items: {len(shared)} pair, of {len(one)} and {len(other)}",
            where=where,
            why="a difference over the shared items alone would be of a task that nobody ran",
            fix="evaluate both models with the same task data and the same limit of items",
        )
    differing = [item for item in shared if one[item].prompt_hash != other[item].prompt_hash]
    if differing:
        raise DataError(
            f"{len(differing)} of {len(shared)} prompts differ, the first that of item {differing[0]}",
            where=where,
            why="what is compared must be asked the same way",
            fix="evaluate both with the same few-shot examples, and both with or both without a chat template",
        )
    return [(one[item], other[item]) for item in shared]


def check_same_task(task: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse two results of a task that were made in different ways.

    Raises:
        DataError: They were; every difference is said.
    """
    differing = [
        f"{name} is {one.get(name)} and {other.get(name)}" for name in SAME if one.get(name) != other.get(name)
    ]
    if differing:
        raise DataError(
            "; ".join(differing),
            where=f"task {task} of the two evaluations",
            why="what is compared must be the same",
            fix="evaluate both models in one run, or leave this task out: tasks=[NAME]",
        )
