"""Interpolated modified Kneser-Ney estimation in numpy, for texts of demo size.

Does what KenLM's lmplz does (Heafield et al. 2013, Scalable Modified Kneser-Ney Language Model Estimation; discounts:
Chen and Goodman 1998, equation 26), in float32 and in the same order of operations, so that both write the same
n-grams with the same numbers. Sentences lie end to end as `<s> w1 ... wn </s>`; an n-gram is known by its rank in
suffix order (last word first), so every order costs one sort of 64-bit keys.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.errors import DataError

BOS, EOS = 1, 2
SPECIAL_WORDS = ("<unk>", "<s>", "</s>")

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""lmplz's own, for orders whose text is too small or too regular for the formula."""

LARGEST_TEXT = 5_000_000
"""Tokens; longer texts are for lmplz, which sorts on disk."""

LEAST = -10.0
"""log10 of what should be 0, where a discount is exactly 0; lmplz writes -inf, and kenlm then refuses the model."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Text:
    """Sentences as numbers.

    Attributes:
        words: The word of every number: the special words, then the others in order of first appearance.
        ids: All sentences end to end, each from <s> to </s>.
        offsets: How far each id is from the <s> of its sentence.
    """

    words: tuple[str, ...]
    ids: Ints
    offsets: Ints


@dataclass(frozen=True, kw_only=True)
class Grams:
    """The n-grams of one order, in suffix order.

    Attributes:
        last: Where in the text the first occurrence of each ends; for single words, 0.
        suffix: Rank of the n-gram without its first word.
        context: Rank of the n-gram without its last word.
        actual: How often it occurs.
        adjusted: How many different words precede it; at the highest order and after <s>, how often it occurs.
    """

    last: Ints
    suffix: Ints
    context: Ints
    actual: Ints
    adjusted: Ints


@dataclass(frozen=True, kw_only=True)
class Discounts:
    """What is taken from n-grams seen once, twice, and more often.

    Attributes:
        amounts: D1, D2, D3+.
        fallback: Whether the formula had no answer.
    """

    amounts: tuple[float, float, float]
    fallback: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The n-grams of one order that were not pruned, in suffix order.

    Attributes:
        last: Where in the text the first occurrence of each ends; for single words, 0.
        log_probability: log10.
        log_backoff: log10; None for the highest order.
        discounts: Those of this order.
        total: N-grams of this order before pruning.
    """

    last: Ints
    log_probability: Floats
    log_backoff: Floats | None
    discounts: Discounts
    total: int


def number(sentences: Iterable[str], largest: int = LARGEST_TEXT) -> Text:
    """Sentences of words separated by single spaces, as numbers.

    Raises:
        DataError: They hold more than `largest` tokens.
    """
    numbers = {word: rank for rank, word in enumerate(SPECIAL_WORDS)}
    ids, offsets = array("q"), array("q")
    for sentence in sentences:
        words = sentence.split(" ")
        ids.append(BOS)
        ids.extend([numbers.setdefault(word, len(numbers)) for word in words])
        ids.append(EOS)
        offsets.extend(range(len(words) + 2))
        if len(ids) > largest:
            raise DataError(
                f"the text of the n-gram model has more than {largest:,} tokens",
                where="perplexity.train_share",
                why="lmplz is not installed, and the estimator that needs no compiler keeps the text in memory",
                fix="make lmplz\nor train on less of the real text, e.g. perplexity.train_share=0.1",
            )
    return Text(words=tuple(numbers), ids=np.array(ids), offsets=np.array(offsets))


def estimate(text: Text, order: int, prune: Sequence[int] = ()) -> list[Estimate]:
    """The model, one estimate an order.

    Args:
        text: At least one sentence.
        order: Words of the longest n-grams, at least 2.
        prune: N-grams that occur this often or less are left out: a number for each order from 1, the last one for
            all longer n-grams too; 0 leaves out none, and the first must be 0.
    """
    levels = count(text, order)
    thresholds = [*prune, *[prune[-1] if prune else 0] * order][:order]
    kept = [_kept(grams, threshold) for grams, threshold in zip(levels, thresholds, strict=True)]
    discounts = [discounts_of(counts) for counts in _counts_for_discounts(text, levels)]
    below = np.array([1.0 / np.float32(kept[0].sum() - 1)], dtype=np.float32)  # all words alike, but <s>
    probabilities: list[Floats] = []
    gammas: list[Floats] = []
    for grams, keep, discount in zip(levels, kept, discounts, strict=True):
        below, gamma = _interpolate(grams, keep, discount, below)
        if not probabilities:
            below[BOS] = 1.0
        probabilities.append(below)
        gammas.append(gamma)
    backoffs = [*(_log10(gamma) for gamma in gammas[1:]), None]
    return [
        Estimate(
            last=grams.last[keep],
            log_probability=np.minimum(_log10(probability[keep]), np.float32(0)),
            log_backoff=None if backoff is None else backoff[keep],
            discounts=discount,
            total=len(keep),
        )
        for grams, keep, probability, backoff, discount in zip(
            levels, kept, probabilities, backoffs, discounts, strict=True
        )
    ]


def count(text: Text, order: int) -> list[Grams]:
    """The n-grams of every order from single words to `order`."""
    size = len(text.words)
    ranks = text.ids
    words = np.arange(size)
    levels = [_grams(np.zeros(size, np.int64), words * 0, words * 0, np.bincount(ranks, minlength=size))]
    for length in range(2, order + 1):
        ends = np.flatnonzero(text.offsets >= length - 1)
        keys = ranks[ends] * size + text.ids[ends - length + 1]
        keys, first, inverse, actual = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        last = ends[first]
        levels.append(_grams(last, keys // size, ranks[last - 1], actual))
        _adjust(levels[-2], levels[-1], text, length - 1)
        ranks = np.full(len(text.ids), -1)
        ranks[ends] = inverse
    return levels


def _grams(last: Ints, suffix: Ints, context: Ints, actual: Ints) -> Grams:
    return Grams(last=last, suffix=suffix, context=context, actual=actual, adjusted=actual.copy())


def _adjust(lower: Grams, higher: Grams, text: Text, length: int) -> None:
    """Give n-grams of `length` words the number of words that precede them, but for those that start with <s>."""
    preceding = np.bincount(higher.suffix, minlength=len(lower.actual))
    inside = slice(None) if length == 1 else ~_starts_sentence(lower, text, length)
    lower.adjusted[inside] = preceding[inside]


def _starts_sentence(grams: Grams, text: Text, length: int) -> Flags:
    flags: Flags = text.offsets[grams.last] == length - 1
    return flags


def _kept(grams: Grams, threshold: int) -> Flags:
    """Which n-grams are not pruned; <unk> and <s> occur nowhere and stay."""
    flags: Flags = (grams.actual > threshold) | (threshold == 0)
    return flags


def _counts_for_discounts(text: Text, levels: Sequence[Grams]) -> list[Ints]:
    """The counts lmplz derives discounts from.

    They are the adjusted ones, but lmplz still holds the very last n-gram of each lower order when its input ends,
    and enters that one with its actual count. In a small text this moves the discounts visibly.
    """
    counts = [grams.adjusted.copy() for grams in levels]
    for length, grams in enumerate(levels[:-1], start=1):
        counts[length - 1][-1] = grams.actual[-1]
        if length > 1 and _starts_sentence(grams, text, length)[-1]:
            break
    return counts


def discounts_of(counts: Ints) -> Discounts:
    """Chen and Goodman's discounts from the (adjusted) counts of one order, in float32 as lmplz has them."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float32)
    if n[1:4].all():
        y = n[1] / np.float32(float(n[1]) + 2.0 * float(n[2]))
        amounts = [float(np.float32(j) - np.float32(j + 1) * y * n[j + 1] / n[j]) for j in (1, 2, 3)]
        if all(0 <= amount <= j for j, amount in enumerate(amounts, start=1)):
            return Discounts(amounts=(amounts[0], amounts[1], amounts[2]), fallback=False)
    return Discounts(amounts=FALLBACK_DISCOUNTS, fallback=True)


def _interpolate(grams: Grams, keep: Flags, discounts: Discounts, below: Floats) -> tuple[Floats, Floats]:
    """Probabilities of the n-grams of one order, and the share each context leaves to shorter n-grams.

    What is pruned gives all of its count to the shorter n-grams; a word that starts nothing gives up nothing.
    """
    amounts = np.array([0.0, *discounts.amounts], dtype=np.float32)
    contexts = len(below)
    bins = np.minimum(grams.adjusted, 3)
    gamma = np.zeros(contexts, np.float32)
    for bin_ in (1, 2, 3):
        seen = np.bincount(grams.context[keep & (bins == bin_)], minlength=contexts)
        gamma += amounts[bin_] * seen.astype(np.float32)
    gamma += _total(grams, ~keep, contexts)
    totals = _total(grams, slice(None), contexts)
    gamma = np.divide(gamma, totals, out=np.ones(contexts, np.float32), where=totals > 0)
    own = (grams.adjusted.astype(np.float32) - amounts[bins]) / totals[grams.context]
    return own + gamma[grams.context] * below[grams.suffix], gamma


def _total(grams: Grams, chosen: Flags | slice, contexts: int) -> Floats:
    """Sum of the adjusted counts behind every context."""
    sums = np.bincount(grams.context[chosen], weights=grams.adjusted[chosen], minlength=contexts)
    return sums.astype(np.float32)


def _log10(values: Floats) -> Floats:
    return np.log10(values, dtype=np.float32, where=values > 0, out=np.full(values.shape, LEAST, np.float32))
