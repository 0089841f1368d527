"""The report's words: numbers as people read them, names of languages, and the sentences at its top.

Each sentence says what the facts say, whichever way they went.
"""

from collections.abc import Iterable
from typing import Any

from data_prep.documents import primary_language
from data_prep.translate.languages import english_name
from recipes.report.facts import Report
from recipes.report.files import RUNS, Facts

NARROW = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
DASH = "\N{EN DASH}"
# The language of the replayed text, and languages usually written in Latin letters: of any other they are worth a word.
REPLAYED = "en"
USUALLY_LATIN = {"en", "es", "fr", "id", "sw"}
# Tokens of the paper's continued pre-training (arXiv 2410.14815); a thousandth of it is still a toy.
PAPER_TOKENS = 400_000_000_000
TOY_TOKENS = PAPER_TOKENS // 1000


def language(tag: str) -> str:
    """`bn-Beng` is Bengali, `bn-Latn` Bengali in Latin script; an unknown language keeps its tag."""
    subtag, _, script = tag.partition("-")
    name = english_name(subtag)
    if name is None:
        return tag
    return f"{name} in Latin script" if script == "Latn" and subtag not in USUALLY_LATIN else name


def count(value: float) -> str:
    """12,345."""
    return f"{value:,.0f}"


def large(value: float) -> str:
    """Three digits and a word: 1.23 million."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= size * 10 or (value >= size and word != "thousand"):
            return f"{value / size:.3g}{NARROW}{word}"
    return count(value)


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def reasons(found: Facts) -> str:
    """Judgements that are in no mean, by reason."""
    return ", ".join(f"{reason} {count(n)}" for reason, n in (found["invalid"] | found["unanswered"]).items())


def signed(value: float) -> str:
    """A difference with its sign and one decimal; what rounds to nothing has no sign."""
    return f"{value:+.1f}".replace("-", MINUS) if abs(value) >= 0.05 else "0.0"


def percent(part: float, *, signed: bool = False) -> str:
    """0.123 is 12 %; small parts get a decimal."""
    digits = 0 if part == 0 or abs(part) >= 0.095 else 1
    return f"{100 * part:{'+' if signed else ''}.{digits}f}".replace("-", MINUS) + f"{NARROW}%"


def exponent(value: float) -> str:
    """1.2 x 10^-5, with the digits raised."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{NARROW}{TIMES}{NARROW}10{raised}" if value else "0"


def duration(seconds: float) -> str:
    """8.2 s, 4 min 12 s, 2 h 05 min."""
    if seconds < 9.95:
        return f"{seconds:.1f}{NARROW}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NARROW}s"
    if whole < 3600:
        return f"{whole // 60}{NARROW}min {whole % 60:02d}{NARROW}s"
    return f"{whole // 3600}{NARROW}h {whole % 3600 // 60:02d}{NARROW}min"


def change(before: float, after: float, difference: Facts | None = None) -> str:
    """`fell from 2.91 to 1.87 (-36 %)`, with the interval of a paired difference; what reads the same did not move."""
    if decimal(before) == decimal(after):
        return f"stayed at {decimal(after)}"
    verb = "fell" if after < before else "rose"
    spread = f", 95{NARROW}% interval {interval(before, difference)}" if difference else ""
    return f"{verb} from {decimal(before)} to {decimal(after)} ({percent(after / before - 1, signed=True)}{spread})"


def interval(before: float, difference: Facts) -> str:
    """A paired difference's 95 % interval in per cent of what was before: `+1.6 % to +3.2 %`."""
    low, high = (percent(difference[end] / before, signed=True) for end in ("low", "high"))
    return f"{low} to {high}"


def paired(differences: Facts, after: str) -> Facts | None:
    """How a model differs from the base on the same documents, where that was measured and is a number."""
    found: Facts | None = differences.get("base", {}).get(after)
    return found if found and None not in found.values() else None


def in_order(langs: Iterable[str]) -> list[str]:
    """The replayed language last."""
    return sorted(langs, key=lambda lang: primary_language(lang) == REPLAYED)


def measured(report: Report) -> dict[str, Facts]:
    """Languages with bits per byte both before and after continued pre-training."""
    bits = report.bits_per_byte or {}
    return {
        lang: bits[lang]
        for lang in in_order(bits)
        if bits[lang].get("base") is not None and bits[lang].get("cpt") is not None
    }


def target_language(report: Report) -> str | None:
    """The measured language the run was for: of those not replayed, the one with the most real text."""
    candidates = [lang for lang in measured(report) if primary_language(lang) != REPLAYED]
    by = (report.corpus or {"by": {}})["by"]
    return max(candidates, key=lambda lang: by.get(lang, {}).get("real", {"tokens": 0})["tokens"], default=None)


def headline(report: Report) -> str:
    """The result in one sentence."""
    lang = target_language(report)
    if lang is not None:
        models = measured(report)[lang]
        return f"{language(lang)} bits per byte {change(models['base'], models['cpt'])}."
    done = [stage if stage == "base" else stage.upper() for stage in RUNS if report.run(stage)]
    if done:
        return f"Trained: {', '.join(done)}. Not measured yet: bits per byte before and after."
    return "Nothing has been trained in this folder yet."


def replay_sentence(report: Report) -> str | None:
    """What happened to the language that was replayed against forgetting."""
    for lang, models in measured(report).items():
        if primary_language(lang) == REPLAYED:
            before, after = models["base"], models["cpt"]
            difference = paired(models["difference"], "cpt")
            what = change(before, after, difference)
            moral = {
                "rose": "that is the forgetting which replay is there to limit",
                "fell": "nothing was forgotten here",
                "stayed": "nothing was forgotten here",
            }[what.split()[0]]
            if difference and difference["low"] <= 0 <= difference["high"]:
                moral = "these documents do not tell that from no change"
            return f"{language(lang)} {what}: {moral}."
    return None


def scale_sentence(report: Report) -> str | None:
    """The warning that a toy corpus teaches a toy model."""
    drawn = (report.cpt or {}).get("tokens") or 0
    if not 0 < drawn < TOY_TOKENS:
        return None
    return (
        f"A toy corpus teaches a toy model: continued pre-training drew {large(drawn)} tokens, "
        f"the paper's run {large(PAPER_TOKENS)}. The numbers show that every stage works, not how good the method is."
    )


def layout(sizes: dict[str, int]) -> str:
    """Ranks by dimension in Megatron's letters: TP 2 · PP 1 · DP 1."""
    letters = {"tensor": "TP", "pipeline": "PP", "data": "DP"}
    return " · ".join(f"{letters.get(name, name)}{NARROW}{size}" for name, size in sizes.items())


def not_finite(run: dict[str, Any]) -> str | None:
    """A warning where the loss of some steps is no number."""
    steps = run["steps_not_finite"]
    return f"{steps} of {run['steps']} steps have no finite loss" if steps else None
