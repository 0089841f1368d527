"""Lays the facts of an audit out as one self-contained HTML page.

Jinja2 escapes whatever it places, and the page's content policy forbids it to load or run anything: untrusted text
stays text.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from data_prep.audit import charts
from data_prep.audit.facts import STAGES, Facts
from data_prep.flow import CHAIN
from data_prep.perplexity.settings import REAL_HELDOUT, SYNTHETIC

NARROW = "\N{NARROW NO-BREAK SPACE}"
DASH = "\N{EN DASH}"
STATES = {"off": "switched off", "not_run": "not run", "nothing_to_do": "nothing to do"}
SERIES = {SYNTHETIC: "Synthetic text", REAL_HELDOUT: "Real text, held out"}
KINDS = {"real": "real", "translated": "machine-translated", "romanized": "romanised"}


def render(facts: Facts) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, percent=percent, words=words)
    environment.globals.update(chain=CHAIN, series_name=series_name, kinds=KINDS, states=STATES)
    states = {stage["name"]: stage["state"] for stage in facts["stages"]}
    return environment.get_template("page.html.jinja").render(
        facts=facts,
        idle={name: STATES[state] for name, state in states.items() if state != "done"},
        figures=figures(facts),
        ways=ways(facts["datasets"]),
        drops={
            stage: found for stage in STAGES if (found := [each for each in facts["drops"] if each["stage"] == stage])
        },
        perplexity=facts["perplexity"] and perplexity(facts["perplexity"]),
    )


def count(value: float | None) -> str:
    """12,345; a dash where there is none."""
    return DASH if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """0.0123 is 1.2 %."""
    return DASH if share is None else f"{100 * share:.1f}{NARROW}%"


def words(code: str) -> str:
    """`high_perplexity` as people write it."""
    return code.replace("_", " ")


def series_name(name: str) -> str:
    """The series of threshold.json in words; compared texts keep the name they were given."""
    return SERIES.get(name, f"Compared: {words(name)}")


def figures(facts: Facts) -> list[tuple[str, str]]:
    """The key figures at the top."""
    kinds = facts["totals"]["kind"]
    dropped = sum(drop["documents"] for drop in facts["drops"] if drop["stage"] != "instruct")
    tokens = [total["tokens"] for total in kinds.values() if total["tokens"] is not None]
    return [
        (count(sum(total["documents"] for total in kinds.values())), "documents"),
        (count(sum(total["characters"] for total in kinds.values())), "characters"),
        (count(sum(tokens) if tokens else None), "tokens"),
        (count(dropped), "documents left out"),
    ]


def ways(datasets: list[Facts]) -> list[Facts]:
    """Each dataset's way: what every stage left, and a bar of where the documents went."""
    return [
        {
            "name": each["name"],
            "cells": [each["stages"].get(stage) for stage in CHAIN],
            "tokens": each["tokens"] or {},
            "bar": _bar(each),
        }
        for each in datasets
    ]


def _bar(dataset: Facts) -> Markup:
    """What came out and, from right to left, what each stage took away."""
    stages = dataset["stages"]
    if not stages:
        return Markup("")
    parts = [(f"k-{dataset['kind']}", dataset["documents"], f"{count(dataset['documents'])} kept")]
    for stage, sizes in reversed(stages.items()):
        if lost := sum(sizes["dropped"].values()):
            parts.append((f"s-{stage}", lost, f"{count(lost)} left out by {stage}"))
    return charts.bar(parts, sum(value for _, value, _ in parts))


def perplexity(found: Facts) -> dict[str, Any]:
    """The histogram and the tables of the perplexities."""
    counts = {name: series for name, series in found["histogram"]["counts"].items() if sum(series)}
    shares = {name: [each / sum(series) for each in series] for name, series in counts.items()}
    colours = dict(zip(counts, _colours(list(counts)), strict=True))
    return {
        "chart": charts.histogram(found["histogram"]["edges"], shares, found["threshold"], colours),
        "colours": colours,
        "series": list(found["documents"]),
        **found,
    }


def _colours(names: list[str]) -> list[str]:
    known = {SYNTHETIC: "k-translated", REAL_HELDOUT: "k-real"}
    others = [name for name in names if name not in known]
    return [known.get(name) or f"k-other{others.index(name) % 2}" for name in names]
