"""What `langadapt.monitor` of a training YAML may say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.layout import PREFIX_SUFFIX


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A rule: bits per byte of one curve may not stay above its baseline."""

    watch: str
    """A language (en-Latn) or a set (web.en-Latn.real)."""
    increase: float
    """Per cent above the baseline that is still tolerated."""
    readings: int = 1
    """Readings in a row above it that raise the alarm."""
    action: Literal["warn", "stop"] = "warn"
    """stop: the run ends with a checkpoint and exit code 1, and the same command does not go on."""

    def __post_init__(self) -> None:
        if not self.increase >= 0:
            raise ValueError(f"increase {self.increase} is below 0\nincrease: 2.0 tolerates 2 % above the baseline")
        if self.readings < 1:
            raise ValueError(f"readings {self.readings} is below 1\nreadings: 3 waits for the third in a row")

    def __str__(self) -> str:
        """The rule in words."""
        times = "a reading" if self.readings == 1 else f"{self.readings} readings in a row"
        return f"{self.watch} more than {self.increase:g} % above its baseline for {times}"


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """What the monitor may be told; its defaults are ours, the paper has no such thing."""

    sets: tuple[Path, ...] = ()
    """Prefixes of held-out token datasets; `langadapt blend` writes them. None: the monitor is off."""
    every_n_steps: int = 500
    """Readings are taken before the first step, every so many, and after the last."""
    sequences: int = 32
    """Of every set, spread evenly over it; the same at every reading."""
    max_share: float = 0.05
    """Share of the run's time above which a line says how to make it cheaper."""
    alarms: tuple[Alarm, ...] = ()

    def __post_init__(self) -> None:
        for name in ("every_n_steps", "sequences"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is below 1\nlangadapt.monitor.sets=[] turns it off")
        if not 0 < self.max_share <= 1:
            raise ValueError(f"max_share {self.max_share} is not between 0 and 1\nmax_share: 0.05 is 5 %")
        names = [set_name(prefix) for prefix in self.sets]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two sets are named {twice[0]}\nits curve would be of both: leave one out or rename it")


def set_name(prefix: Path) -> str:
    """source.lang.kind, as data preparation names a dataset."""
    return prefix.name.removesuffix(PREFIX_SUFFIX)
