"""The perplexity above which documents are dropped, and what the audit shows of all perplexities.

Holds 4 bytes a document of the series at hand, and as many again while it sorts them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.errors import DataError
from data_prep.perplexity import scores
from data_prep.perplexity.settings import REAL_HELDOUT, SERIES, SYNTHETIC

PERCENTILES = (1, 5, 25, 50, 75, 90, 95, 98, 99, 99.5)
EFFECTS = (80, 90, 95, 98, 99, 99.5)
"""Percentiles whose effect is shown beside the configured one."""
EXAMPLES = 3
"""Documents named in each tenth of the synthetic text."""

EDGES = tuple(float(f"{10 ** (step / 20):.6g}") for step in range(20 * 5 + 1))
"""Edges of the histogram, 20 a decade from 1 to 100,000; the outer bars take what lies beyond."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """The scores of one shard, or of one text to compare with."""

    series: str
    """SYNTHETIC, REAL_HELDOUT, or the name of a text to compare with."""
    dataset: str
    path: Path


def measure(files: Sequence[ScoreFile], of: str, percentile: float) -> dict[str, Any]:
    """All of threshold.json.

    Raises:
        DataError: The threshold is to come from held-out real text and there is none.
    """
    names = [*SERIES, *sorted({file.series for file in files} - set(SERIES))]
    values, without_tokens = {}, {}
    for name in names:
        values[name], without_tokens[name] = _sorted_values([file.path for file in files if file.series == name])
    if of == REAL_HELDOUT and not len(values[of]):
        raise DataError(
            "there is no held-out real text to take the threshold from",
            where="perplexity.of=real_heldout",
            why="every trusted document was learnt from",
            fix="perplexity.heldout_fraction=0.2, or perplexity.of=synthetic",
        )
    return {
        "threshold": at_percentile(values[of], percentile),
        "percentile": percentile,
        "of": of,
        "documents": {name: len(each) for name, each in values.items()},
        "documents_without_tokens": without_tokens,
        "percentiles": {
            name: {str(point): at_percentile(each, point) for point in PERCENTILES} for name, each in values.items()
        },
        "histogram": {"edges": EDGES, "counts": {name: histogram(each) for name, each in values.items()}},
        "effect": [effect(values, of, point) for point in sorted({*EFFECTS, percentile})],
        "examples": _examples([file for file in files if file.series == SYNTHETIC], values[SYNTHETIC]),
    }


def _sorted_values(paths: Sequence[Path]) -> tuple[Values, int]:
    """Perplexities from the least to the greatest, and how many documents have none."""
    without = 0

    def read() -> Iterator[float]:
        nonlocal without
        for path in paths:
            for score in scores.read(path):
                if score.perplexity is None:
                    without += 1
                else:
                    yield score.perplexity

    values = np.fromiter(read(), np.float32)
    values.sort()
    return values, without


def at_percentile(values: Values, percentile: float) -> float | None:
    """The least of the sorted values that at least `percentile` % of them do not exceed.

    So no more than the rest lie above it. Exact: 98 % of 50 are 49, not 49.000000000000007.
    """
    rank = math.ceil(Fraction(str(percentile)) * len(values) / 100)
    return _exact(values[rank - 1]) if len(values) else None


def _exact(value: np.float32) -> float:
    """The number that was in the side file."""
    return float(f"{value:.{scores.DIGITS}g}")


def histogram(values: Values) -> list[int]:
    """Documents between neighbouring EDGES."""
    counts, _ = np.histogram(np.clip(values, EDGES[0], EDGES[-1]), np.array(EDGES))
    return [int(count) for count in counts]


def effect(values: Mapping[str, Values], of: str, percentile: float) -> dict[str, Any]:
    """Which share of every series a threshold at this percentile of `of` would drop."""
    threshold = at_percentile(values[of], percentile)
    return {
        "percentile": percentile,
        "threshold": threshold,
        "dropped": {name: _share_above(each, threshold) for name, each in values.items()},
    }


def _share_above(values: Values, threshold: float | None) -> float | None:
    if threshold is None or not len(values):
        return None
    return round(1 - int(np.searchsorted(values, np.float32(threshold), side="right")) / len(values), 6)


def _examples(files: Sequence[ScoreFile], values: Values) -> list[dict[str, Any]]:
    """Some documents of every tenth of the perplexities, for people to read."""
    if not len(values):
        return []
    wanted = {decile: _wanted(values, decile) for decile in range(1, 11)}
    found = _first_with(files, {value for chosen in wanted.values() for value in chosen})
    return [{"decile": decile, "documents": [found[value] for value in chosen]} for decile, chosen in wanted.items()]


def _wanted(values: Values, decile: int) -> list[float]:
    """Perplexities spread evenly inside a tenth."""
    points = (10 * (decile - 1 + (place + 1) / (EXAMPLES + 1)) for place in range(EXAMPLES))
    return list(dict.fromkeys(_exact(values[min(len(values) - 1, int(point * len(values) / 100))]) for point in points))


def _first_with(files: Iterable[ScoreFile], wanted: set[float]) -> dict[float, dict[str, Any]]:
    """The first document of each perplexity."""
    found: dict[float, dict[str, Any]] = {}
    for file in files:
        for score in scores.read(file.path):
            if score.perplexity in wanted and score.perplexity not in found:
                found[score.perplexity] = {"id": score.id, "dataset": file.dataset, "perplexity": score.perplexity}
    return found
