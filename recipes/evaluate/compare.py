"""Part `compare` of verb `evaluate`: two models on the same items, task by task, with what n items can show.

    langadapt evaluate compare evaluation=runs/demo/evaluation.json baseline=base model=cpt output=compare.json
    langadapt evaluate compare evaluation=A.json other=B.json output=compare.json

A task's difference comes with the 95 % interval of the paired bootstrap, an exact McNemar test where items are right or
wrong and the bootstrap's own where they are not, corrected for the number of tasks (Holm), and with the difference that
as many items would have found with a power of 80 %.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from data_prep.console import make_console
from data_prep.errors import DataError, UsageError
from data_prep.files import atomic_write
from data_prep.settings import load
from recipes.evaluate.differences import SAMPLES, Side, compare, tasks_of
from recipes.evaluate.item_logs import Evaluation, read_evaluation


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Which two models to compare."""

    evaluation: Path
    """An evaluation's JSON file with tasks; its item logs lie beside it."""
    other: Path | None = None
    """The file that holds `model`, if it is another one."""
    baseline: str | None = None
    """The model to compare with; null where the file leaves no choice."""
    model: str | None = None
    """The model whose gain or loss is reported."""
    tasks: tuple[str, ...] | None = None
    """Tasks to compare; null for all that both have."""
    output: Path
    """The JSON file to write."""
    bootstrap_samples: int = SAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.bootstrap_samples < 2:
            raise ValueError(
                f"bootstrap_samples is {self.bootstrap_samples}, the least is 2\nbootstrap_samples={SAMPLES}"
            )


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Compares, prints a table and writes one JSON."""
    settings = load(CompareSettings, configs, overrides)
    one, other = choose(settings)
    tasks = shared_tasks(one, other, settings.tasks)
    if dry_run:
        print(f"evaluate compare: {other.model} against {one.model} on {', '.join(tasks)}; nothing was compared")
        return 0
    result = compare(one, other, tasks, samples=settings.bootstrap_samples, seed=settings.seed)
    with atomic_write(settings.output) as file:
        file.write(json.dumps(result, ensure_ascii=False, indent=1).encode() + b"\n")
    print_table(result)
    for name in result["not_compared"]:
        print(f"evaluate compare: {name} was evaluated for one of the two only")
    return 0


def choose(settings: CompareSettings) -> tuple[Side, Side]:
    """The two models, by name or because there is no other choice.

    Raises:
        UsageError: A model is not there, or several could be meant.
        DataError: No task was evaluated.
    """
    first = _with_tasks(settings.evaluation)
    second = first if settings.other is None else _with_tasks(settings.other)
    one, other = settings.baseline, settings.model
    if settings.other is None and len(first.models) == 2 and one is None and other is None:
        one, other = first.models
    sides = (
        Side(evaluation=first, model=_model(first, one, "baseline")),
        Side(evaluation=second, model=_model(second, other, "model")),
    )
    if settings.other is None and sides[0].model == sides[1].model:
        raise UsageError(
            f"{sides[0].model} is compared with itself",
            where=str(settings.evaluation),
            fix=f"baseline=NAME model=NAME with two of: {', '.join(first.models)}",
        )
    return sides


def _with_tasks(path: Path) -> Evaluation:
    evaluation = read_evaluation(path)
    if not evaluation.tasks:
        raise DataError(
            "this evaluation has no tasks",
            where=str(path),
            why="bits per byte are kept without their documents, so there are no items to compare",
            fix="name tasks in the evaluation's config and run langadapt evaluate again",
        )
    return evaluation


def _model(evaluation: Evaluation, name: str | None, key: str) -> str:
    if name is None and len(evaluation.models) == 1:
        return evaluation.models[0]
    if name is None or name not in evaluation.models:
        raise UsageError(
            f"{key} is not given, and several models could be meant" if name is None else f"no model {name!r}",
            where=str(evaluation.path),
            fix=f"{key}=NAME with one of: {', '.join(evaluation.models)}",
        )
    return name


def shared_tasks(one: Side, other: Side, wanted: Sequence[str] | None) -> list[str]:
    """The tasks that both models were scored on, or those of them that are wanted.

    Raises:
        UsageError: There is none, or a wanted one is not among them.
    """
    shared = [name for name in tasks_of(one) if name in tasks_of(other)]
    missing = [name for name in wanted or () if name not in shared]
    if missing or not shared:
        raise UsageError(
            f"{', '.join(missing) or 'no task'} was {'not ' * bool(missing)}evaluated for both"
            f" {one.model} and {other.model}",
            where=f"{one.evaluation.path}, {other.evaluation.path}",
            fix=f"tasks=[...] with some of: {', '.join(shared)}" if shared else "evaluate both on the same tasks",
        )
    return list(wanted) if wanted else shared


def print_table(result: Mapping[str, Any]) -> None:
    """A row a task, in points of 100, and a row a group."""
    one, other = result["baseline"]["model"], result["model"]["model"]
    table = Table(title=f"{other} against {one}, in points of 100", title_justify="left")
    for heading in ("task", "metric"):
        table.add_column(heading, no_wrap=True)
    for heading in ("items", one, other, "difference", "95 % interval", "p", "corrected", "detectable"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for name, task in result["tasks"].items():
        table.add_row(name, task["metric"], f"{task['items']:,}", *_cells(task), task["verdict"])
    for name, group in result["groups"].items():
        interval = f"{group['low']:+.1f} .. {group['high']:+.1f}"
        mean = [f"{group['delta']:+.1f}", interval, "", "", f"{group['detectable']:.1f}"]
        table.add_row(name, f"mean of {group['tasks']}", "", "", "", *mean, "")
    make_console().print(table)


def _cells(task: Mapping[str, Any]) -> list[str]:
    low, high, delta, detectable_ = (task["points"] * task[key] for key in ("low", "high", "delta", "detectable"))
    return [
        *(f"{task['points'] * task[key]:.1f}" for key in ("baseline", "model")),
        f"{delta:+.1f}",
        f"{low:+.1f} .. {high:+.1f}",
        *(f"{task[key]:.3g}" for key in ("p", "p_holm")),
        f"{detectable_:.1f}",
    ]
