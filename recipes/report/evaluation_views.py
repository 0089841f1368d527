"""What the page shows of an evaluation: bits per byte before and after, and what the models write."""

from collections.abc import Iterable, Iterator, Sequence

from recipes.report import charts, wording
from recipes.report.charts import Mark
from recipes.report.files import Facts
from recipes.report.views import COLOURS, View


def bits_view(evaluation: Facts) -> View:
    """A row of dots per language, all on one scale, and the table behind it."""
    rates, errors = evaluation["bits_per_byte"], evaluation["standard_error"]
    marks = {lang: [*_marks(rates[lang], errors[lang])] for lang in wording.in_order(rates)}
    reach = [end for row in marks.values() for mark in row for end in (mark.value, *(mark.interval or ()))] or [
        0.0,
        1.0,
    ]
    air = (max(reach) - min(reach)) * 0.15 or 0.2
    low, high = max(0.0, min(reach) - air), max(reach) + air
    return {
        "models": list(evaluation["models"]),
        "axis": charts.dot_axis(low, high),
        "dots": [
            {"name": wording.language(lang), "svg": charts.dot_row(row, low, high, label=_spoken(lang, row))}
            for lang, row in marks.items()
        ],
        "changes": [change for lang in marks if (change := _change(evaluation, lang))],
        "rows": [row for lang in marks for row in _bits_rows(evaluation, lang)],
    }


def _change(evaluation: Facts, lang: str) -> str | None:
    """What continued pre-training changed, in per cent, with the interval of the paired difference."""
    before = evaluation["bits_per_byte"][lang].get("base")
    found = wording.paired(evaluation["difference"][lang], "cpt")
    if not before or not found:
        return None
    delta = wording.percent(found["delta"] / before, signed=True)
    return f"{wording.language(lang)} {delta} ({wording.interval(before, found)})"


def _marks(row: dict[str, float | None], errors: dict[str, float | None]) -> Iterator[Mark]:
    """Before and after continued pre-training, with 95 % intervals."""
    for model in ("base", "cpt"):
        value, error = row.get(model), errors.get(model)
        if value is not None:
            interval = None if error is None else (value - 1.96 * error, value + 1.96 * error)
            title = f"{model}: {value:.3f} bits per byte"
            yield Mark(value=value, colour=COLOURS[model], title=title, interval=interval)


def _spoken(lang: str, marks: Iterable[Mark]) -> str:
    return f"{wording.language(lang)}: " + ", ".join(mark.title for mark in marks)


def _bits_rows(evaluation: Facts, lang: str) -> list[View]:
    """A language as a whole, and by kind of text where it has several."""
    kinds, errors_by_kind = evaluation["by_kind"][lang], evaluation["standard_error_by_kind"][lang]
    documents, size = evaluation["documents"][lang], evaluation["bytes"][lang]
    errors = evaluation["standard_error"][lang]
    whole = {
        "name": wording.language(lang),
        "kind": "all" if len(kinds) > 1 else next(iter(kinds)),
        "documents": sum(documents.values()),
        "bytes": sum(size.values()),
        "values": [(value, errors[model]) for model, value in evaluation["bits_per_byte"][lang].items()],
    }
    parts = [
        {
            "name": "",
            "kind": kind,
            "documents": documents[kind],
            "bytes": size[kind],
            "values": [(value, errors_by_kind[kind][model]) for model, value in rates.items()],
        }
        for kind, rates in kinds.items()
    ]
    return [whole, *parts] if len(kinds) > 1 else [whole]


def generations_view(generations: Sequence[Facts]) -> list[View]:
    """Each prompt with every model's answer and its colour."""
    return [
        {
            **sample,
            "answers": [{**answer, "colour": COLOURS.get(answer["model"], "c-soft")} for answer in sample["answers"]],
        }
        for sample in generations
    ]
