"""Lays a plan out as one self-contained HTML page, in the clothes of the corpus audit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from data_prep import audit
from data_prep.audit import charts
from data_prep.audit.page import KINDS, count, percent
from data_prep.blend.records import BlendPlan, Entry
from data_prep.documents import primary_language


def render(blend: BlendPlan, name: str) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, Path(audit.__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, percent=percent)
    return environment.get_template("blend.html.jinja").render(
        name=name,
        blend=blend,
        kinds={kind: KINDS[kind] for kind in blend.by_kind},
        languages=[(language, _language_bar(language, blend)) for language in blend.by_language],
        rows=_rows(blend.train),
    )


def _language_bar(language: str, blend: BlendPlan) -> Markup:
    """What the run reads of a language, by kind; the longest bar fills the width."""
    own = [entry for entry in blend.train if primary_language(entry.lang) == language]
    drawn = {kind: sum(entry.tokens_drawn or 0 for entry in own if entry.kind == kind) for kind in blend.by_kind}
    parts = [(f"k-{kind}", tokens, f"{KINDS[kind]}: {tokens:,} tokens") for kind, tokens in drawn.items() if tokens]
    return charts.bar(parts, max(total.tokens_drawn for total in blend.by_language.values()))


def _rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each dataset with bars of its share of what there is and of what is drawn, on one scale."""
    available = sum(entry.tokens_available for entry in entries)
    widest = max(max(entry.weight, entry.tokens_available / available) for entry in entries)
    return [
        {
            "entry": entry,
            "there": charts.bar([("there", entry.tokens_available / available, "share of what there is")], widest),
            "drawn": charts.bar([(f"k-{entry.kind}", entry.weight, "share of what is drawn")], widest),
        }
        for entry in entries
    ]
