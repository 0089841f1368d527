"""What a reader sees of a result in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from data_prep.console import make_console
from recipes.evaluate.judge.prompts import AXES


def show(result: Mapping[str, Any]) -> None:
    """The table of a result, and how each two models differ in the end."""
    spent = result["usage"]
    cost = spent["cost"]
    price = f"{cost['value']:g} {cost['currency']}" if cost else "cost not known: endpoint.price is not given"
    judges = ", ".join(result["judge"]["served"]) or result["judge"]["model"]
    title = f"judged by {judges} ({result['asked_in_this_run']} of {spent['replies']} replies asked now; {price})"
    console = make_console()
    console.print((_pair_table if result["kind"] == "pairs" else _grade_table)(result, title))
    for comparison in result.get("comparisons", ()):
        console.print(_difference(comparison))


def _grade_table(result: Mapping[str, Any], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("model", "items", "valid", "invalid", "no reply", *AXES):
        table.add_column(name, justify="left" if name == "model" else "right")
    for name, model in result["models"].items():
        counts = (model["items"], model["valid"], sum(model["invalid"].values()), sum(model["unanswered"].values()))
        cells = [_with_error(model["axes"].get(axis)) for axis in AXES]
        table.add_row(name, *map(str, counts), *cells)
    return table


def _difference(comparison: Mapping[str, Any]) -> str:
    one, other = comparison["models"]
    overall = comparison["axes"].get("Overall")
    if overall is None:
        return f"{other} - {one}: too few answers to the same questions to compare ({comparison['items']})"
    interval = f"95 % from {overall['low']:+.2f} to {overall['high']:+.2f}, p {overall['p']:.3g}"
    return f"{other} - {one}, Overall: {overall['delta']:+.2f} ({interval}; {comparison['items']} answers of both)"


def _pair_table(result: Mapping[str, Any], title: str) -> Table:
    one, other = result["models"]
    pairs = result["pairs"]
    table = Table(title=title, title_justify="left")
    columns = {
        "items": pairs["items"],
        f"{one} wins": pairs["wins"],
        f"{other} wins": pairs["losses"],
        "ties": pairs["ties"],
        "of these, orders disagree": pairs["of_ties_orders_disagree"],
        "replies invalid": sum(pairs["invalid"].values()),
        "no reply": sum(pairs["unanswered"].values()),
        f"share of {one} (95 %)": _share(pairs["win_share"]),
    }
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row(*map(str, columns.values()))
    return table


def _with_error(axis: Mapping[str, float | None] | None) -> str:
    if axis is None:
        return "-"
    error = axis["standard_error"]
    return f"{axis['mean']:.2f}" + ("" if error is None else f" ± {error:.2f}")


def _share(share: Mapping[str, float | None] | None) -> str:
    if share is None:
        return "-"
    interval = "" if share["low"] is None else f" ({share['low']:.2f} to {share['high']:.2f})"
    return f"{share['value']:.2f}{interval}"
