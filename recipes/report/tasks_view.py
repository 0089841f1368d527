"""What the page shows of benchmarks: scores beside the paper's, differences, contamination, judges."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data_prep.documents import primary_language
from recipes.report import charts, paper, wording
from recipes.report.charts import Mark
from recipes.report.files import Facts
from recipes.report.views import COLOURS, View

Z = 1.96
"""Standard errors on either side of a score in its 95 % interval."""


def tasks_view(facts: Facts) -> View:
    """Scores and differences by language, the language of the replay last."""
    langs = wording.in_order(dict.fromkeys(task["lang"] for task in facts["tasks"].values()))
    return {
        "models": facts["models"],
        "key": [(f"{COLOURS.get(model, 'c-soft')} round", model) for model in facts["models"]],
        "languages": [_language(lang, facts) for lang in langs],
        "has_paper": any(paper.figures_of(name) for name in facts["tasks"]),
        "group_rows": group_rows(facts["comparisons"]),
        "refused": sorted(
            {
                (f"{name}, {found['model']} against {found['baseline']}", why)
                for found in facts["comparisons"]
                for name, why in found["refused"].items()
            }
        ),
    }


def _language(lang: str, facts: Facts) -> View:
    tasks = {name: task for name, task in facts["tasks"].items() if task["lang"] == lang}
    marks = {name: _marks(task["scores"], facts["models"]) for name, task in tasks.items()}
    low, high = _reach((end for row in marks.values() for end in _ends(row)), least=0.0, most=100.0)
    differences = difference_rows(facts["comparisons"], list(tasks))
    return {
        "name": wording.language(lang),
        "replayed": primary_language(lang) == wording.REPLAYED,
        "axis": charts.dot_axis(low, high),
        "dots": [
            {"name": name, "svg": charts.dot_row(row, low, high, label=_spoken(name, row), joined=False)}
            for name, row in marks.items()
        ],
        "rows": [score_row(name, task, facts["models"]) for name, task in tasks.items()],
        "has_paper": any(paper.figures_of(name) for name in tasks),
        **difference_chart(differences),
        "differences": differences,
    }


def score_row(name: str, task: Facts, models: Sequence[str]) -> View:
    """A task's scores by model and what the paper has for its benchmark."""
    scores = [task["scores"].get(model) or {"value": None, "standard_error": None} for model in models]
    return {
        **{key: task[key] for key in ("metric", "items", "num_fewshot")},
        "name": name,
        "values": [(score["value"], score["standard_error"]) for score in scores],
        "paper": paper.figures_of(name),
    }


def difference_rows(comparisons: Sequence[Facts], tasks: Sequence[str]) -> list[View]:
    """Each model's differences from the first, in points of 100."""
    return [
        _difference(name, found, found["tasks"][name])
        for name in tasks
        for found in comparisons
        if name in found["tasks"]
    ]


def _difference(name: str, found: Facts, task: Facts) -> View:
    unit = task["points"]
    return {
        "name": name,
        "model": found["model"],
        "baseline": found["baseline"],
        **{key: unit * task[key] for key in ("delta", "low", "high", "detectable")},
        **{key: task[key] for key in ("items", "p", "p_holm", "verdict", "test")},
    }


def difference_chart(rows: Sequence[View]) -> View:
    """A dot with its interval for every difference, all on one scale with zero in it."""
    low, high = _reach([0.0, *(end for row in rows for end in (row["low"], row["high"]))], least=-100.0, most=100.0)
    return {
        "difference_axis": charts.dot_axis(low, high),
        "difference_dots": [
            {
                "name": f"{row['name']}, {row['model']}",
                "svg": charts.dot_row([mark], low, high, label=mark.title, joined=False, zero=True),
            }
            for row in rows
            for mark in [_difference_mark(row)]
        ],
    }


def _difference_mark(row: View) -> Mark:
    title = f"{row['name']}: {row['model']} against {row['baseline']}: {wording.signed(row['delta'])} points"
    colour = COLOURS.get(row["model"], "c-soft")
    return Mark(value=row["delta"], colour=colour, title=title, interval=(row["low"], row["high"]))


def group_rows(comparisons: Sequence[Facts]) -> list[View]:
    """The mean difference of every group whose tasks were all compared."""
    return [
        {"name": name, "model": found["model"], "baseline": found["baseline"], **group}
        for found in comparisons
        for name, group in found["groups"].items()
    ]


def contamination_view(facts: Facts) -> View:
    """Items found in the training text by set, source and kind, and scores without them."""
    return {
        "ngram": facts["ngram"],
        "documents": facts["documents"],
        "rows": [
            {
                **{key: found[key] for key in ("items", "too_short", "touched", "share", "documents")},
                "name": name,
                "parts": [
                    {"source": source, "kind": kind, **part}
                    for source, kinds in found["by"].items()
                    for kind, part in kinds.items()
                ],
            }
            for name, found in facts["sets"].items()
        ],
        "examples": [
            {"set": name, **example} for name, found in facts["sets"].items() for example in found["examples"][:1]
        ],
        "scores": [
            {"task": task, "model": model, **_parts(parts)}
            for task, models in facts["scores"].items()
            for model, parts in models.items()
            if parts["touched"]["items"]
        ],
    }


def _parts(parts: Mapping[str, Any]) -> View:
    return {
        name: {**parts[name], "value": value if value is None else parts["points"] * value}
        | {"standard_error": error if error is None else parts["points"] * error}
        for name in ("all", "clean", "touched")
        for value, error in [(parts[name]["value"], parts[name]["standard_error"])]
    } | {"metric": parts["metric"]}


def judgement_view(name: str, facts: Facts) -> View:
    """Who judged, and every model's means with what was invalid, or wins of one model over another."""
    pairs = facts.get("pairs")
    return {
        "name": name,
        "judge": facts["judge"]["model"],
        "cost": facts["usage"]["cost"],
        "tokens": facts["usage"]["prompt_tokens"] + facts["usage"]["completion_tokens"],
        "models": [] if pairs else [_judged(model, found) for model, found in facts["models"].items()],
        "axes": []
        if pairs
        else list(dict.fromkeys(axis for found in facts["models"].values() for axis in found["axes"])),
        "pairs": pairs and {**pairs, "models": facts["models"], "lost": _lost(pairs)},
    }


def _judged(model: str, found: Facts) -> View:
    return {
        **found,
        "name": model,
        "colour": COLOURS.get(model, "c-soft"),
        "lost": _lost(found),
        "reasons": wording.reasons(found),
    }


def _lost(found: Facts) -> int:
    """Judgements in no mean."""
    reasons: Counter[str] = Counter(found["invalid"]) + Counter(found["unanswered"])
    return reasons.total()


def _marks(scores: Facts, models: Sequence[str]) -> list[Mark]:
    marks = []
    for model in models:
        score = scores.get(model)
        if score and score["value"] is not None:
            value, error = score["value"], score["standard_error"]
            interval = None if error is None else (max(0.0, value - Z * error), min(100.0, value + Z * error))
            title = f"{model}: {value:.1f}"
            marks.append(Mark(value=value, colour=COLOURS.get(model, "c-soft"), title=title, interval=interval))
    return marks


def _ends(marks: Iterable[Mark]) -> list[float]:
    return [end for mark in marks for end in (mark.value, *(mark.interval or ()))]


def _reach(values: Iterable[float], *, least: float, most: float) -> tuple[float, float]:
    """A scale that holds the values with air around them, inside [least, most]."""
    ends = list(values) or [least, most]
    air = max(2.0, 0.08 * (max(ends) - min(ends)))
    return max(least, min(ends) - air), min(most, max(ends) + air)


def _spoken(name: str, marks: Iterable[Mark]) -> str:
    return f"{name}: " + ", ".join(mark.title for mark in marks)
