"""How far the work in a run folder has come: the one place that says what done means."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.files import atomic_write
from data_prep.layout import RECEIPT_SUFFIX
from recipes import checkpoints, run_record
from recipes.submit.kinds import KINDS

DONE_FILE = "DONE"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What of the work is safe.

    Attributes:
        done: All of it.
        step: Training: optimizer steps of the newest checkpoint, phases added up. Data: finished shards. Else 0.
    """

    done: bool
    step: int


@dataclass(frozen=True, kw_only=True)
class Done:
    """The file DONE: that a job has finished this work, and which command that was."""

    kind: str
    words: Sequence[str]
    step: int
    job: str
    time: str

    def write(self, folder: Path) -> None:
        """Leaves it in the run folder."""
        with atomic_write(folder / DONE_FILE) as file:
            file.write(json.dumps(asdict(self), ensure_ascii=False, indent=2).encode() + b"\n")


def progress(kind: str, folder: Path, words: Sequence[str]) -> Progress:
    """How far a command has come in its run folder.

    A training run is done when its record says so; other work when a job has left DONE for this very command. The
    verbs look at their inputs again whenever they run, so DONE decides only whether a job is worth its place.
    """
    if KINDS[kind].trains:
        record = run_record.read(folder)
        return Progress(done=record is not None and record.is_done, step=checkpointed(folder))
    return Progress(done=_left_done(folder, words), step=_receipts(folder) if kind == "data" else 0)


def note_done(kind: str, folder: Path, words: Sequence[str], job: str) -> None:
    """Leaves DONE, which people and scripts look for."""
    step = progress(kind, folder, words).step
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    Done(kind=kind, words=list(words), step=step, job=job, time=now).write(folder)


def checkpointed(folder: Path) -> int:
    """Optimizer steps of the newest checkpoint; of a run in phases those of all of them."""
    newest = [checkpoints.newest(each) for each in run_record.phase_folders(folder) or [folder]]
    return sum(checkpoints.step_of(path) for path in newest if path)


def current(folder: Path) -> Path:
    """Where the ranks of a training run are working: the folder itself, or that of its newest phase."""
    return [folder, *run_record.phase_folders(folder)][-1]


def _left_done(folder: Path, words: Sequence[str]) -> bool:
    path = folder / DONE_FILE
    return path.is_file() and run_record.read_json(path).get("words") == list(words)


def _receipts(folder: Path) -> int:
    return sum(1 for _ in folder.rglob(f"*{RECEIPT_SUFFIX}"))
