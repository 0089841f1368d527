"""Measures that tell running text from lists, noise and loops, each with a limit in settings.LanguageRules.

The n-gram measures follow ROOTS (Laurençon et al. 2022, appendix) with Setu's limits; line measures follow Gopher (Rae
et al. 2021, table A1). All see characters with their combining marks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.clean import characters
from data_prep.clean.settings import LanguageRules

WORD_GRAM, CHARACTER_GRAM = 5, 10
_MEASURED_CHARACTERS = 100_000
"""Character repetition is measured on the start of a text: a loop shows there, and the time stays bounded."""

_BULLETS = ("-", "*", "•", "●", "○", "▪", "–", "+", "·")
_ELLIPSES = ("...", "…")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a document is rejected."""

    reason: str
    """Code counted in receipts."""
    detail: str
    """The measured value and the limit."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text with what several measures need of it."""

    text: str
    words: Sequence[str]
    """Without punctuation, in lower case."""
    lines: Sequence[str]
    """Without empty ones."""


def above(reason: str, what: str, value: float, limit: float) -> Fault | None:
    """A fault when `value` is more than `limit`."""
    return Fault(reason, f"{what} {_shown(value)} > {_shown(limit)}") if value > limit else None


def below(reason: str, what: str, value: float, limit: float) -> Fault | None:
    """A fault when `value` is less than `limit`."""
    return Fault(reason, f"{what} {_shown(value)} < {_shown(limit)}") if value < limit else None


def _shown(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value:.0f}"


def character_faults(counts: characters.Counts, script: str, rules: LanguageRules) -> Iterator[Fault | None]:
    """Script, symbols and digits: what the character counts alone can say."""
    other = counts.main_script()
    yield below(
        "wrong_script", f"{script} letters (most: {other})", counts.script_share(script), rules.min_script_share
    )
    yield above("foreign_script", "foreign letter share", counts.foreign_share(script), rules.max_foreign_share)
    total = max(counts.total, 1)
    yield above("symbols", "symbol share", counts.of(characters.SYMBOL) / total, rules.max_symbol_share)
    yield above("digits", "digit share", counts.of(characters.DIGIT) / total, rules.max_digit_share)


def shape_faults(text: Text, rules: LanguageRules) -> Iterator[Fault | None]:
    """Lengths of the document, its words and lines; bullets and cut-off lines."""
    words, lines = len(text.words), len(text.lines)
    yield below("too_short", "words", words, rules.min_words)
    mean = sum(map(len, text.words)) / max(words, 1)
    yield below("word_length", "mean word length", mean, rules.min_mean_word_length)
    yield above("word_length", "mean word length", mean, rules.max_mean_word_length)
    yield below("short_lines", "mean words a line", words / max(lines, 1), rules.min_mean_line_words)
    bullets = sum(line.lstrip().startswith(_BULLETS) for line in text.lines)
    yield above("bullets", "bullet line share", bullets / max(lines, 1), rules.max_bullet_lines)
    cut = sum(line.endswith(_ELLIPSES) for line in text.lines)
    yield above("ellipses", "ellipsis line share", cut / max(lines, 1), rules.max_ellipsis_lines)


def repetition_faults(text: Text, rules: LanguageRules) -> Iterator[Fault | None]:
    """Text that says the same again and again."""
    words = word_repetition(text.words)
    yield above("word_repetition", f"{WORD_GRAM}-gram word repetition", words, rules.max_word_repetition)
    chars = character_repetition(text.text[:_MEASURED_CHARACTERS])
    yield above(
        "character_repetition", f"{CHARACTER_GRAM}-gram character repetition", chars, rules.max_character_repetition
    )


def word_repetition(words: Sequence[str]) -> float:
    """Share of word 5-grams that occur more than once."""
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), dtype=np.uint64, count=len(words))
    frequencies = _gram_frequencies(codes, WORD_GRAM)
    return _share(frequencies[frequencies > 1], frequencies)


def character_repetition(text: str) -> float:
    """Share of character 10-grams that belong to the most frequent ones, as many as the root of their number."""
    frequencies = _gram_frequencies(characters.code_points(text).astype(np.uint64), CHARACTER_GRAM)
    repeated = np.sort(frequencies[frequencies > 1])[::-1]
    return _share(repeated[: int(len(frequencies) ** 0.5)], frequencies)


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> float:
    return float(part.sum() / whole.sum()) if len(whole) else 0.0


def _gram_frequencies(codes: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.int64]:
    """How often each n-gram occurs, by a 64-bit hash: two of a million collide with a chance of 3e-8."""
    grams = len(codes) - size + 1
    if grams < 1:
        return np.zeros(0, dtype=np.int64)
    hashes = np.zeros(grams, dtype=np.uint64)
    for offset in range(size):
        hashes = (hashes ^ (codes[offset : offset + grams] + np.uint64(1))) * _GOLDEN
        hashes ^= hashes >> np.uint64(29)
    hashes.sort()
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    return np.diff(starts, append=grams)
