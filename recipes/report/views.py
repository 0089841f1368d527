"""What the page shows about text and training: each section's figures, charts and tables from its facts."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from data_prep.documents import KINDS, primary_language
from data_prep.layout import PREFIX_SUFFIX
from recipes.report import charts, wording
from recipes.report.charts import Line, Segment
from recipes.report.facts import SIZES
from recipes.report.files import RUNS, Facts
from recipes.report.runs import Curve

View = dict[str, Any]
TITLES = {
    "base": "Base: pre-training",
    "cpt": "CPT: continued pre-training",
    "sft": "SFT: instruction tuning",
    "dpo": "DPO: preference tuning",
}
COLOURS = {stage: f"c-{stage}" for stage in RUNS}
LANGUAGE_COLOURS = ("c-cpt", "c-romanized", "c-base", "c-dpo", "c-sft", "c-prep")
# NeMo-Aligner's DPO loss before the first update: the policy is the reference, and -log sigmoid(0) is ln 2.
NO_PREFERENCE = math.log(2)


def corpus_view(corpus: Facts) -> View:
    """One bar of training tokens per language, and the table behind it."""
    train, heldout = corpus["train"]["by"], corpus["heldout"]["by"]
    totals = {lang: sum(cell["tokens"] for cell in kinds.values()) for lang, kinds in train.items()}
    languages = sorted(corpus["by"], key=lambda lang: -totals.get(lang, 0))
    cells = [(lang, kind) for lang in languages for kind in corpus["by"][lang]]
    nothing = dict.fromkeys(SIZES, 0)
    return {
        **{name: corpus[name] for name in SIZES},
        "bars": [
            {
                "name": wording.language(lang),
                "tokens": wording.large(totals[lang]),
                "svg": _language_bar(lang, train[lang], max(totals.values())),
            }
            for lang in languages
            if lang in train
        ],
        "rows": [
            {
                "lang": lang,
                "kind": kind,
                "train": train.get(lang, {}).get(kind, nothing),
                "heldout": heldout.get(lang, {}).get(kind, nothing),
            }
            for lang, kind in cells
        ],
        "key": _kind_key(kind for _, kind in cells),
        "audit": corpus["audit"],
        "dropped": sorted(corpus["dropped"].items(), key=lambda item: -item[1]),
    }


def _language_bar(lang: str, kinds: dict[str, dict[str, int]], widest: int) -> Markup:
    tokens = {kind: kinds[kind]["tokens"] for kind in KINDS if kind in kinds}
    segments = [
        Segment(value=number, colour=f"c-{kind}", title=f"{kind}: {number:,} tokens") for kind, number in tokens.items()
    ]
    label = f"{wording.language(lang)}, training: " + ", ".join(segment.title for segment in segments)
    return charts.stacked_bar(segments, widest, label=label)


def _kind_key(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Colour and name of each kind of text that occurs."""
    present = set(kinds)
    return [(f"c-{kind}", kind) for kind in KINDS if kind in present]


def fertility_view(fertility: Facts) -> View:
    """One bar of tokens a word per language and kind, and what follows for the vocabulary."""
    rows = fertility["rows"]
    widest = max(row["tokens_per_word"] for row in rows)
    return {
        "words": fertility["assumed"]["words"],
        "context_length": fertility["assumed"]["context_length"],
        "key": _kind_key(row["kind"] for row in rows),
        "rows": [{**row, "svg": _fertility_bar(row, widest)} for row in rows],
        "verdicts": fertility["verdicts"],
    }


def _fertility_bar(row: Facts, widest: float) -> Markup:
    what = f"{row['tokenizer']}: {wording.language(row['lang'])}, {row['kind']}"
    title = f"{what}: {wording.decimal(row['tokens_per_word'])} tokens a word"
    segment = Segment(value=row["tokens_per_word"], colour=f"c-{row['kind']}", title=title)
    return charts.stacked_bar([segment], widest, label=title)


def blend_view(blend: Facts) -> View:
    """Each dataset's share of the tokens there are against its share of the tokens drawn."""
    rows = blend["datasets"]
    available = sum(row["tokens"] for row in rows)
    drawn = sum(row["tokens_drawn"] for row in rows)
    shares = [(row["tokens"] / available, row["tokens_drawn"] / drawn) for row in rows]
    widest = max(share for pair in shares for share in pair)
    return {
        "drawn": drawn,
        "bars": _drawn_bars(rows),
        "key": _kind_key(row["kind"] for row in rows),
        "left_out": sorted({(_dataset(row["prefix"]), row["why"]) for row in blend["left_out"]}),
        "rows": [
            {
                **row,
                "name": _dataset(row["prefix"]),
                "available": there,
                "taken": taken,
                "svg_available": _share_bar(there, widest, "c-soft", f"available: {row['tokens']:,} tokens"),
                "svg_taken": _share_bar(taken, widest, f"c-{row['kind']}", f"drawn: {row['tokens_drawn']:,} tokens"),
            }
            for row, (there, taken) in zip(rows, shares, strict=True)
        ],
    }


def _drawn_bars(rows: Sequence[Facts]) -> list[View]:
    """What is drawn of each language, by kind; hi-Deva and hi-Latn are both hi, as in the shares of the blend."""
    drawn: dict[str, Counter[str]] = {}
    for row in rows:
        drawn.setdefault(primary_language(row["lang"]), Counter())[row["kind"]] += row["tokens_drawn"]
    whole = sum(kinds.total() for kinds in drawn.values())
    widest = max(kinds.total() for kinds in drawn.values())
    return [
        {
            "name": wording.language(language),
            "share": kinds.total() / whole,
            "svg": _language_bar(language, {kind: {"tokens": tokens} for kind, tokens in kinds.items()}, widest),
        }
        for language, kinds in drawn.items()
    ]


def _share_bar(share: float, widest: float, colour: str, title: str) -> Markup:
    return charts.stacked_bar([Segment(value=share, colour=colour, title=title)], widest, label=title)


def _dataset(prefix: str) -> str:
    """source.lang.kind of a Megatron prefix."""
    return Path(prefix).name.removesuffix(PREFIX_SUFFIX)


def run_view(stage: str, run: Facts, curves: dict[str, Curve]) -> View:
    """The loss curve of a stage and its facts."""
    objective = run.get("objective") or {}
    is_plain_dpo = objective.get("preference_loss") == "dpo" and not objective.get("sft_loss_weight")
    return {
        **run,
        "stage": stage,
        "title": TITLES[stage],
        "colour": COLOURS[stage],
        "window": window(curves.get("loss", [])),
        "has_validation": "validation loss" in curves,
        "warning": wording.not_finite(run),
        "svg": charts.line_chart(
            curve_lines(curves, "loss", COLOURS[stage]),
            label=f"{TITLES[stage]}: loss over {run['steps']} steps",
            unit="nats per pair" if stage == "dpo" else "nats per token",
            levels=[(NO_PREFERENCE, "no preference, ln 2")] if is_plain_dpo else [],
        ),
    }


def curve_lines(curves: dict[str, Curve], name: str, colour: str) -> list[Line]:
    """A curve as every step, its moving average, and its validation if there is one."""
    curve = curves.get(name, [])
    return [
        Line(points=curve, colour=colour, style="faint"),
        Line(points=charts.smoothed(charts.finite(curve), window(curve)), colour=colour),
        Line(points=curves.get(f"validation {name}", []), colour=colour, style="dots"),
    ]


def window(curve: Curve) -> int:
    """Steps in the moving average of a curve: about a fifteenth of it, odd so that it has a middle."""
    return len(curve) // 30 * 2 + 1


def preference_view(run: Facts, curves: dict[str, Curve]) -> View:
    """Rewards, their margin, and how often the chosen answer wins; the last step also in figures."""
    return {
        **run,
        "svg_rewards": charts.line_chart(
            [*curve_lines(curves, "rejected", "c-translated"), *curve_lines(curves, "chosen", "c-cpt")],
            label="mean reward of the chosen and of the rejected answers",
            unit="nats",
            levels=[(0.0, "")],
        ),
        "svg_margin": charts.line_chart(
            curve_lines(curves, "margin", "c-dpo"),
            label="reward of the chosen minus reward of the rejected answers",
            unit="nats",
            levels=[(0.0, "")],
        ),
        "svg_accuracy": charts.line_chart(
            curve_lines(curves, "accuracy", "c-dpo"),
            label="share of pairs whose chosen answer has the higher reward",
            unit="share of pairs",
            levels=[(0.5, "chance")],
            span=(0.0, 1.0),
        ),
    }


def forgetting_view(curves: dict[str, Curve]) -> View | None:
    """Each language's distance from its first reading over the run; None where the monitor was off."""
    langs = [name.removeprefix("change ") for name in curves if name.startswith("change ")]
    colours = dict(zip(wording.in_order(langs), itertools.cycle(LANGUAGE_COLOURS)))
    lines = [Line(points=curves[f"change {lang}"], colour=colour) for lang, colour in colours.items()]
    return (
        {
            "key": [(colour, wording.language(lang)) for lang, colour in colours.items()],
            "svg": charts.line_chart(
                lines,
                label="bits per byte of held-out text, per cent from the first reading",
                unit="% from the start",
                levels=[(0.0, "where it began")],
            ),
        }
        if lines
        else None
    )
