"""What a reading means: its distance from the baseline, the alarms it raises, what it costs. No files, no model.

Metrics are named `monitor/WHAT/CURVE`: `loss` (nats a token), `bits_per_byte`, and `change`, the per cent by which the
latter (and so the former: both divide the same sum by a constant) differs from the curve's first reading.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipes.monitor.settings import Alarm, MonitorSettings
from recipes.monitor.windows import Curve

PREFIX = "monitor/"
LOSS, BITS_PER_BYTE, CHANGE = (f"{PREFIX}{what}/" for what in ("loss", "bits_per_byte", "change"))
SECONDS, SHARE = f"{PREFIX}seconds", f"{PREFIX}share"
FORWARD_SHARE = 1 / 3
"""Of a training step's arithmetic that a forward pass takes: the backward pass takes twice as much."""

Metrics = Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The first reading of a curve."""

    bits_per_byte: float
    step: int
    digest: str


def reading(nats: Sequence[float], curves: Sequence[Curve], baselines: Mapping[str, Baseline]) -> dict[str, float]:
    """The metrics of one reading.

    Args:
        nats: Summed loss of the scored tokens of each set.
        curves: Their curves.
        baselines: By curve; without one, this reading is the baseline.
    """
    metrics = {}
    for curve in curves:
        total = math.fsum(nats[number] for number in curve.members)
        bits = total / math.log(2) / curve.text_bytes
        before = baselines[curve.name].bits_per_byte if curve.name in baselines else bits
        metrics[LOSS + curve.name] = total / curve.tokens
        metrics[BITS_PER_BYTE + curve.name] = bits
        metrics[CHANGE + curve.name] = 100 * (bits / before - 1)
    return metrics


def is_raised(alarm: Alarm, changes: Sequence[float]) -> bool:
    """Whether the last readings of the watched curve are all above the limit; one that is no number is above it."""
    last = changes[-alarm.readings :]
    return len(last) == alarm.readings and all(not change <= alarm.increase for change in last)


def raised(alarms: Iterable[Alarm], changes: Mapping[str, Sequence[float]]) -> list[Alarm]:
    """The alarms that the changes so far raise; a curve never read raises none."""
    return [alarm for alarm in alarms if is_raised(alarm, changes.get(alarm.watch, ()))]


def changes_in(metrics: Metrics) -> dict[str, list[float]]:
    """The changes of every curve in a run's metrics, in order of steps."""
    found: dict[str, list[float]] = {}
    for entry in metrics:
        for key, value in entry.items():
            if key.startswith(CHANGE):
                found.setdefault(key.removeprefix(CHANGE), []).append(value)
    return found


def summary(metrics: Metrics) -> dict[str, Any] | None:
    """The monitor's part of a run record; None where no reading was taken."""
    entries = [entry for entry in metrics if SECONDS in entry]
    if not entries:
        return None
    names = [key.removeprefix(CHANGE) for key in entries[-1] if key.startswith(CHANGE)]
    return {
        "readings": len(entries),
        "last_step": int(entries[-1]["step"]) + 1,
        "seconds": round(math.fsum(entry[SECONDS] for entry in entries), 3),
        "share": entries[-1].get(SHARE),
        "curves": {name: _ends(entries[-1], name) for name in names},
    }


def _ends(last: Mapping[str, float], name: str) -> dict[str, float]:
    bits, change = last[BITS_PER_BYTE + name], last[CHANGE + name]
    return {"baseline": bits / (1 + change / 100), "last": bits, "change_percent": change}


def expected_share(sequences: int, every_n_steps: int, global_batch_size: int) -> float:
    """Share of a run's arithmetic that readings of so many sequences take."""
    spent = FORWARD_SHARE * sequences
    return spent / (spent + every_n_steps * global_batch_size)


def too_dear(share: float, settings: MonitorSettings) -> str | None:
    """What to do about a monitor that took `share` of the time since the reading before; None if it is within bounds.

    A reading of s seconds every n steps of t takes s / (s + n t): for share m, n = s (1 - m) / (m t).
    """
    if share <= settings.max_share:
        return None
    ratio = share / (1 - share) * (1 - settings.max_share) / settings.max_share
    steps, sequences = math.ceil(settings.every_n_steps * ratio), int(settings.sequences / ratio)
    fewer = f" or langadapt.monitor.sequences={sequences}" if sequences else ""
    return (
        f"readings take {100 * share:.1f} % of the time, more than max_share {100 * settings.max_share:g} %: "
        f"langadapt.monitor.every_n_steps={steps}{fewer}"
    )
