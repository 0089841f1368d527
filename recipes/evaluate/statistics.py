"""How far a score can be trusted, and whether two models differ: standard errors, bootstrap, McNemar, Holm.

A score is a statistic of its items' rows: the mean of one column (accuracy), a ratio of two (bits per byte), or what
sacrebleu makes of n-gram counts (chrF++). A bootstrap sample draws items with replacement and takes the statistic of
the mean of their rows, so that one implementation serves all three. Two models compared on the same items are drawn
together (paired), which leaves out how hard the items are.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm

LEVEL = 0.05
"""Of the tests; intervals cover 1 - LEVEL."""
POWER = 0.8
"""Chance to find a difference as large as the minimal detectable one."""
_CELLS = 1 << 21
"""Numbers of resampled rows in memory at once: 16 MB."""

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""From mean rows, [..., columns], to the score, [...]."""


def mean(rows: Values) -> Values:
    """The mean of a single column."""
    return rows[..., 0]


def ratio(rows: Values) -> Values:
    """Of the first column to the second."""
    return np.asarray(rows[..., 0] / rows[..., 1])


def of_counts(score: Callable[[list[int]], float], items: int) -> Statistic:
    """A score of counts summed over `items`, as a statistic of their mean."""

    def statistic(rows: Values) -> Values:
        sums = np.rint(rows * items).astype(int)
        return np.apply_along_axis(lambda row: score(row.tolist()), -1, sums)

    return statistic


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score with its uncertainty.

    Attributes:
        value: Of the items as they are.
        standard_error: None for fewer than two items.
        low: Lower end of the 95 % interval; None like the standard error.
        high: Upper end.
    """

    value: float
    standard_error: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How two models differ on the same items.

    Attributes:
        items: Of both.
        delta: Score of the second minus that of the first.
        standard_error: Of delta.
        low: Lower end of the 95 % interval of delta.
        high: Upper end.
        p: Two-sided; chance of a delta as large if the models were equal.
    """

    items: int
    delta: float
    standard_error: float
    low: float
    high: float
    p: float


def standard_error_of_mean(values: ArrayLike) -> float | None:
    """Sample standard deviation over the root of n; None for fewer than two values."""
    array = np.asarray(values, dtype=float)
    return None if len(array) < 2 else float(array.std(ddof=1) / math.sqrt(len(array)))


def standard_error_of_proportion(proportion: float, items: int) -> float:
    """Of a share of `items`, as the binomial distribution has it."""
    return math.sqrt(proportion * (1 - proportion) / items)


def bootstrap_values(rows: ArrayLike, statistic: Statistic, *, samples: int, seed: int) -> Values:
    """The statistic of `samples` draws of as many items, with replacement.

    Args:
        rows: [items] or [items, columns].
        statistic: Of the mean row of each draw.
        samples: Draws.
        seed: The same seed draws the same items from any rows of this length.

    Returns:
        [samples].
    """
    table = _as_table(rows)
    return np.concatenate([statistic(means) for means in _resampled(table, samples, seed)])


def _as_table(rows: ArrayLike) -> Values:
    table = np.asarray(rows, dtype=float)
    return table[:, None] if table.ndim == 1 else table


def _resampled(table: Values, samples: int, seed: int) -> Iterator[Values]:
    """Mean rows, [some samples, columns] at a time."""
    generator = np.random.default_rng(seed)
    items = len(table)
    at_once = max(1, _CELLS // table.size)
    for start in range(0, samples, at_once):
        draws = generator.integers(items, size=(min(at_once, samples - start), items))
        yield table[draws].mean(axis=1)


def bootstrap(rows: ArrayLike, statistic: Statistic = mean, *, samples: int, seed: int) -> Estimate:
    """A score with the standard error and the 95 % percentile interval of its bootstrap.

    Args:
        rows: [items] or [items, columns].
        statistic: Of a mean row.
        samples: Draws; fewer than two leave the uncertainty out.
        seed: Of the draws.
    """
    table = _as_table(rows)
    value = float(statistic(table.mean(axis=0)))
    if samples < 2 or len(table) < 2:
        return Estimate(value=value, standard_error=None, low=None, high=None)
    values = bootstrap_values(table, statistic, samples=samples, seed=seed)
    low, high = interval(values)
    return Estimate(value=value, standard_error=float(values.std(ddof=1)), low=low, high=high)


def interval(values: Values) -> tuple[float, float]:
    """The percentile interval of bootstrap values."""
    low, high = np.quantile(values, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def paired_bootstrap(
    one: ArrayLike, other: ArrayLike, statistic: Statistic = mean, *, samples: int, seed: int
) -> Difference:
    """How `other` differs from `one`, both drawn with the same items.

    p is that of sacrebleu's paired bootstrap test (Koehn 2004; Riezler and Maxwell 2005): the share of draws whose
    delta is as far from the mean of all deltas as the observed one is from zero, with one added above and below.

    Args:
        one: [items] or [items, columns] of the first model.
        other: The same of the second; the same item in the same place.
        statistic: Of a mean row of either.
        samples: Draws.
        seed: Of the draws.
    """
    left, right = _as_table(one), _as_table(other)
    columns = left.shape[1]

    def delta_of(means: Values) -> Values:
        return statistic(means[..., columns:]) - statistic(means[..., :columns])

    both = np.concatenate([left, right], axis=1)
    delta = float(delta_of(both.mean(axis=0)))
    deltas = bootstrap_values(both, delta_of, samples=samples, seed=seed)
    low, high = interval(deltas)
    # Equal deltas differ in their last bit with the order of a sum; a tie counts as as large.
    as_large = np.abs(deltas - deltas.mean()) >= abs(delta) - 1e-12
    return Difference(
        items=len(both),
        delta=delta,
        standard_error=float(deltas.std(ddof=1)),
        low=low,
        high=high,
        p=float((as_large.sum() + 1) / (samples + 1)),
    )


def mcnemar(one: ArrayLike, other: ArrayLike) -> float:
    """Exact two-sided p of McNemar's test: whether items that only one model gets right favour one of them.

    Args:
        one: 0 or 1 for each item, of the first model.
        other: The same of the second.
    """
    one_right, other_right = np.asarray(one, dtype=bool), np.asarray(other, dtype=bool)
    gained = int((other_right & ~one_right).sum())
    lost = int((one_right & ~other_right).sum())
    return 1.0 if gained + lost == 0 else float(binomtest(gained, gained + lost).pvalue)


def detectable(standard_error: float, *, power: float = POWER) -> float:
    """The minimal detectable difference: one that a two-sided test at LEVEL finds with the chance `power`.

    With a power of a half this is the half-width of the 95 % interval.

    Args:
        standard_error: Of the difference.
        power: Chance to find it.
    """
    return float(norm.ppf(1 - LEVEL / 2) + norm.ppf(power)) * standard_error


def detectable_paired(discordant: float, items: int, *, power: float = POWER) -> float:
    """Minimal detectable difference of two accuracies on the same items.

    Args:
        discordant: Share of the items that only one of the models gets right.
        items: Of the task.
        power: Chance to find it.
    """
    return detectable(math.sqrt(discordant / items), power=power)


def detectable_unpaired(one: float, other: float, items: int, *, power: float = POWER) -> float:
    """Minimal detectable difference of two accuracies when it is not known which items each model got right.

    Args:
        one: Accuracy of the first model, 0..1.
        other: Of the second.
        items: Of each.
        power: Chance to find it.
    """
    errors = (standard_error_of_proportion(value, items) for value in (one, other))
    return detectable(math.hypot(*errors), power=power)


def holm(values: Sequence[float]) -> list[float]:
    """p-values of many tasks, corrected so that one false alarm in all of them has the chance LEVEL (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected
