"""Sharing a number of tokens among datasets with caps: water-filling, and the three wishes it can follow.

Every dataset is a vessel with a floor and a cap, filled at a pace of its own; all are filled together until the total
is in. What a full vessel cannot take the others take at their paces, so a total fails only where all are full. The
paces are the whole difference between the methods:

    preference   tokens x preference of its kind: equal epochs within a kind, twice the preference twice the epochs
    unimax       equal: the same tokens of each, the small at their cap (UniMax, Chung et al. 2023, arXiv 2304.09151)
    temperature  tokens^(1/T): T = 1 proportional, T to infinity equal
"""

import bisect
import math
from collections.abc import Sequence


def by_preference(tokens: Sequence[int], preferences: Sequence[float]) -> list[float]:
    """Paces that read a dataset of twice the preference twice as often."""
    return [count * preference for count, preference in zip(tokens, preferences, strict=True)]


def by_unimax(tokens: Sequence[int]) -> list[float]:
    """Paces that give each the same tokens."""
    return [1.0] * len(tokens)


def by_temperature(tokens: Sequence[int], temperature: float) -> list[float]:
    """Paces tokens^(1/T)."""
    return [count ** (1 / temperature) for count in tokens]


def fill(total: float, paces: Sequence[float], floors: Sequence[float], caps: Sequence[float]) -> list[float]:
    """The amounts min(cap, max(floor, level x pace)) of the one level at which they add up to `total`.

    The sum grows with the level in straight pieces that end where a vessel leaves its floor or reaches its cap; within
    the right piece the level is a division. Exact up to rounding, n log n steps.

    Args:
        total: Between the sum of the floors and the sum of the caps.
        paces: Above 0.
        floors: At most the caps.
        caps: May be infinite.
    """
    vessels = list(zip(paces, floors, caps, strict=True))
    turns = sorted({bound / pace for pace, *bounds in vessels for bound in bounds if bound < math.inf})
    above = bisect.bisect_left(turns, total, key=lambda level: math.fsum(_amount(level, *each) for each in vessels))
    low = turns[above - 1] if above else 0.0
    high = turns[above] if above < len(turns) else math.inf
    rising = [floor / pace <= low and cap / pace >= high for pace, floor, cap in vessels]
    pace_of_all = math.fsum(pace for pace, rises in zip(paces, rising, strict=True) if rises)
    resting = math.fsum(_amount(low, *each) for each, rises in zip(vessels, rising, strict=True) if not rises)
    level = min(high, (total - resting) / pace_of_all) if pace_of_all else high
    return [_amount(level, *each) for each in vessels]


def _amount(level: float, pace: float, floor: float, cap: float) -> float:
    return min(cap, max(floor, level * pace))
