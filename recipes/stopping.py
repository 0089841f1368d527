"""What ends a run before its last step: a request, which gets a checkpoint, or a loss gone wrong, which gets none.

Requests are files in the run folder, so that any process of a job can make one, at any moment, and rank 0 alone
decides for all (`recipes.runtime.stopping`): `STOP`, made by a user, and `record/stop-requested`, made by the handler
of a signal. A time limit is upstream's `exp_manager.max_time_per_run`.
"""

import contextlib
import json
import math
import os
import re
import signal
import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import LangadaptError, UsageError
from data_prep.files import atomic_write
from recipes import run_record

STOP_FILE = "STOP"
SAVE_FILE = "SAVE"
BY_FILE = f"the file {STOP_FILE}"
REQUEST_NAME = "record/stop-requested"
ENDING_NAME = "record/stopped.json"
SIGNALS = (signal.SIGTERM, signal.SIGUSR2)

STARTED = "LANGADAPT_STARTED"
"""When the command began, in seconds since the epoch; ranks started by `recipes.launch` inherit it."""


class Diverged(LangadaptError):
    """The loss or the weights of a run are no numbers any more, or its loss has left its level for good."""


@dataclass(frozen=True, kw_only=True)
class StopSettings:
    """When a run stops because of its loss. A loss that is no number stops it always.

    Attributes:
        max_loss_increase: Nats a step's loss may lie above the median of the losses before it; null: any. The default
            is ours: 2 nats are a factor of 7 in perplexity.
        window: Losses the median is taken of; no verdict before there are as many.
        patience: Steps in a row that must lie above.
    """

    max_loss_increase: float | None = 2.0
    window: int = 50
    patience: int = 3

    def __post_init__(self) -> None:
        """Refuses numbers that make no rule."""
        if self.max_loss_increase is not None and not self.max_loss_increase > 0:
            raise ValueError("max_loss_increase is nats above the median: give a number above 0, or null for no rule")
        if self.window < 1 or self.patience < 1:
            raise ValueError("window and patience are numbers of steps: give 1 or more")


class LossWatch:
    """Judges every loss by those before it.

    Args:
        settings: The rule.
        history: Losses of the steps before, in order.
    """

    def __init__(self, settings: StopSettings, history: Iterable[float] = ()) -> None:
        self.settings = settings
        self.usual = deque(history, maxlen=settings.window)
        self.steps_above = 0

    def fault(self, loss: float) -> str | None:
        """What is wrong with the loss of the next step, or None."""
        if not math.isfinite(loss):
            self.steps_above += 1
            return f"the loss is {loss}"
        allowed = self.settings.max_loss_increase
        if allowed is None or len(self.usual) < self.settings.window:
            self.usual.append(loss)
            return None
        median = statistics.median(self.usual)
        if loss <= median + allowed:
            self.usual.append(loss)
            self.steps_above = 0
            return None
        self.steps_above += 1
        if self.steps_above < self.settings.patience:
            return None
        return (
            f"the loss is {loss:.4f}, for {self.steps_above} steps more than {allowed:g} above {median:.4f}, "
            f"the median of the {self.settings.window} before"
        )


def seconds(duration: str) -> float:
    """Seconds of `DD:HH:MM:SS`, the form both NeMo and NeMo-Aligner read.

    Raises:
        UsageError: It has another form, or is no time at all.
    """
    parts = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+)", duration.strip())
    total = (
        sum(int(part) * unit for part, unit in zip(parts.groups(), (86400, 3600, 60, 1), strict=True)) if parts else 0
    )
    if total <= 0:
        raise UsageError(
            f"exp_manager.max_time_per_run is {duration}",
            where="exp_manager.max_time_per_run",
            fix="exp_manager.max_time_per_run=00:03:45:00 for 3 hours and 45 minutes (days:hours:minutes:seconds)",
        )
    return float(total)


def deadline(duration: str | None) -> float:
    """The moment, in seconds since the epoch, at which a run with this time limit is asked to stop."""
    started = float(os.environ.get(STARTED, time.time()))
    return started + seconds(duration) if duration else math.inf


def refuse_stop_file(folder: Path) -> None:
    """Refuses to start where a STOP file lies that no run has obeyed: someone wants no training there.

    Raises:
        UsageError: The file is there.
    """
    path = stop_file(folder)
    if path.exists():
        raise UsageError(
            f"A file {STOP_FILE} lies in the run folder.",
            where=str(path),
            why="It was made while no run was there to obey it, which would have removed it.",
            fix=f"rm {path}\nand start the same command again",
        )


def stop_file(folder: Path) -> Path:
    """What a user makes to stop the run in a folder; of a run in phases it lies in the folder of the whole."""
    return _whole(folder) / STOP_FILE


def save_file(folder: Path) -> Path:
    """What a user makes to have a checkpoint now, while the run goes on; it lies where `stop_file` does."""
    return _whole(folder) / SAVE_FILE


def _whole(folder: Path) -> Path:
    return folder.parent.parent if folder.parent.name == run_record.PHASES_NAME else folder


def request_stop(folder: Path, reason: str) -> None:
    """Asks the run in a folder to stop with a checkpoint after its step in flight; any of its processes may."""
    path = folder / REQUEST_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason, encoding="utf-8")


def request(folder: Path) -> str | None:
    """What asks the run in a folder to stop, if anything does."""
    path = folder / REQUEST_NAME
    if path.exists():
        return path.read_text(encoding="utf-8") or "a signal"  # empty: its writer has not come that far
    return BY_FILE if stop_file(folder).exists() else None


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[None]:
    """Makes SIGTERM and SIGUSR2 requests to the run in a folder as long as the block runs.

    Lightning puts a handler of its own over that of SIGTERM when its `fit` begins: call `listen` again behind it.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen(folder)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen(folder: Path) -> None:
    """Puts the handlers of `listening` in place, for the rest of the process; in forks of it signals do what they did.

    A fork inherits the handlers, and a multiprocessing pool ends its forks by SIGTERM and waits for them.
    """
    owner = os.getpid()

    def handle(number: int, _frame: object) -> None:
        if os.getpid() == owner:
            request_stop(folder, signal.Signals(number).name)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in SIGNALS:
        signal.signal(number, handle)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why a run ended before its last step, as rank 0 leaves it to the process that started the ranks.

    Attributes:
        reason: What asked it to stop; empty where its loss did.
        fault: what, where, why and fix of a `Diverged`; empty where a request ended the run.
    """

    reason: str = ""
    fault: dict[str, str]

    def write(self, folder: Path) -> None:
        """Leaves it in a run folder."""
        with atomic_write(folder / ENDING_NAME) as stream:
            stream.write(json.dumps(asdict(self), ensure_ascii=False, indent=2).encode())


def read_ending(folder: Path) -> Ending | None:
    """Why the last run in a folder ended early, or None if it did not, or was killed."""
    path = folder / ENDING_NAME
    if not path.exists():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Ending(**values)


def forget(folder: Path) -> None:
    """Removes what earlier runs were asked and said, but no STOP file."""
    for name in (REQUEST_NAME, ENDING_NAME):
        (folder / name).unlink(missing_ok=True)


def obeyed(folder: Path, reason: str) -> None:
    """Takes requests back once they have their checkpoint, and notes why the run ended."""
    (folder / REQUEST_NAME).unlink(missing_ok=True)
    for path in (stop_file(folder), save_file(folder)):
        path.unlink(missing_ok=True)
    Ending(reason=reason, fault={}).write(folder)


def diverged(folder: Path, what: str, last_good: Path | None, set_aside: list[Path]) -> Diverged:
    """The error of a run that must not go on, left as its ending, too; says where to go on from.

    Args:
        folder: The run folder.
        what: Step and fault.
        last_good: The newest checkpoint not set aside.
        set_aside: Where later ones are now.
    """
    aside = f"; checkpoints from then on are in {set_aside[0].parent}" if set_aside else ""
    again = f"start the same command again: it goes on from {last_good.name if last_good else 'the beginning'}"
    error = Diverged(
        f"The run was stopped: {what}.",
        where=f"last good checkpoint: {last_good or 'none'}{aside}",
        why="Everything trained from here on would be lost.",
        fix=f"{again}; the same end again means data or rate are at fault, not a machine\n"
        f"exp_manager.explicit_log_dir={folder}-2 and a lower model.optim.lr or gradient_clip_val: another run\n"
        "langadapt.stop.max_loss_increase=4 or null if the loss is a number and meant to rise",
    )
    Ending(fault={"what": error.what, "where": error.where, "why": error.why, "fix": error.fix}).write(folder)
    return error
