"""What an evaluation prints: bits per byte by language, and the headline of every task or averaged group."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from data_prep.console import make_console


def show(result: Mapping[str, Any]) -> None:
    """All tables of an output file."""
    if "bits_per_byte" in result:
        make_console().print(bits_table(result))
        for line in changes(result):
            print(line)
    if "tasks" in result:
        make_console().print(task_table(result))


def bits_table(result: Mapping[str, Any]) -> Table:
    """Bits per byte by language and model, with standard errors."""
    table = Table(title=f"bits per byte, lower is better ({result['seconds']} s)", title_justify="left")
    table.add_column("language")
    table.add_column("documents", justify="right")
    table.add_column("bytes", justify="right")
    for name in result["models"]:
        table.add_column(name, justify="right")
    for lang, rates in result["bits_per_byte"].items():
        errors = result["standard_error"][lang]
        cells = [
            f"{rate:.3f}" + ("" if errors[name] is None else f" ± {errors[name]:.3f}") for name, rate in rates.items()
        ]
        counts = (sum(result[what][lang].values()) for what in ("documents", "bytes"))
        table.add_row(lang, *(f"{count:,}" for count in counts), *cells)
    return table


def changes(result: Mapping[str, Any]) -> Iterator[str]:
    """A line a model but the first: how it differs from that one in every language, with paired 95 % intervals."""
    first, *others = result["models"]
    for model in others:
        cells = [
            f"{lang} {each['delta']:+.3f} ({each['low']:+.3f} to {each['high']:+.3f})"
            for lang, found in result["difference"].items()
            if (each := found.get(first, {}).get(model))
        ]
        if cells:
            yield f"{model} - {first}, paired, 95 % intervals: {', '.join(cells)}"


def task_table(result: Mapping[str, Any]) -> Table:
    """Tasks with their headline and its standard error; of a group with a mean, the mean instead of its tasks."""
    title = "tasks, higher is better" + (f" (the first {result['limit']} items of each)" if result["limit"] else "")
    table = Table(title=title, title_justify="left")
    for column in ("task", "language", "scored by", "metric"):
        table.add_column(column)
    for column in ("shots", "items", *result["models"]):
        table.add_column(column, justify="right")
    for row in _rows(result):
        table.add_row(*row)
    return table


def _rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    summed = {name: group for name, group in result["groups"].items() if any(group["scores"].values())}
    inside = {task for group in summed.values() for task in group["tasks"] if len(group["tasks"]) > SHOWN}
    for name, task in result["tasks"].items():
        if name not in inside:
            shots, items = str(task["num_fewshot"]), f"{task['items']:,}"
            yield [
                name,
                task["lang"],
                task["scoring"],
                task["headline"],
                shots,
                items,
                *_cells(task["scores"], task["headline"]),
            ]
    for name, group in summed.items():
        metric = next(iter(next(iter(group["scores"].values()))))
        items = f"{sum(result['tasks'][task]['items'] for task in group['tasks']):,}"
        yield [f"{name} (mean of {len(group['tasks'])})", "", "", metric, "", items, *_cells(group["scores"], metric)]


SHOWN = 12
"""Tasks of a group with a mean that are shown one by one; MMLU has 57."""


def _cells(scores: Mapping[str, Mapping[str, Mapping[str, float | None]]], metric: str) -> list[str]:
    found = (score[metric] for score in scores.values())
    return [
        f"{score['value']:.3f}" + ("" if score["standard_error"] is None else f" ± {score['standard_error']:.3f}")
        for score in found
    ]
