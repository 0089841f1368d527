"""What a submit leaves in RUN/slurm/N before sbatch is called, and what every start of its job adds."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from data_prep.files import atomic_write
from recipes import run_record

FOLDER = "slurm"
SCRIPT = "job.sbatch"
SUBMITTED = "submitted.json"
STARTS = "starts.jsonl"
ENDED = "ended.json"
HANG = "hang.json"
FAILURE = "failure.txt"
NODES = "nodes.json"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`submitted.json`: who submitted what, from which code, and what the job goes by.

    Attributes:
        job: Slurm's id; empty until sbatch has answered.
        name: Of the job.
        kind: A key of `kinds.KINDS`.
        words: The command line of a rank, without the job's own time limit.
        run: The run folder.
        command: The command line that submitted.
    """

    job: str = ""
    name: str
    kind: str
    words: Sequence[str]
    run: str
    command: str
    time: str
    git: dict[str, Any]
    versions: dict[str, str]
    cluster: str
    max_tries: int
    signal_seconds: int
    hang_minutes: float
    requeue: Literal[True, False, "chain"]

    def write(self, folder: Path) -> None:
        """Replaces the file in a job's folder."""
        _write(folder / SUBMITTED, asdict(self))

    def with_job(self, job: str) -> "Submission":
        """It, once Slurm has given an id."""
        return replace(self, job=job)


def read(folder: Path) -> Submission:
    """The submission of a job's folder.

    Raises:
        DataError: It is damaged.
    """
    return Submission(**run_record.read_json(folder / SUBMITTED))


def next_folder(run: Path) -> Path:
    """RUN/slurm/N of the next submission, from 0."""
    numbers = [int(path.name) for path in (run / FOLDER).glob("[0-9]*") if path.name.isdecimal()]
    return run / FOLDER / str(max(numbers, default=-1) + 1)


def add_start(folder: Path, job: str, step: int) -> None:
    """Notes a start of the job, the checkpointed step it found, and how long its logs were."""
    sizes = {path.name: path.stat().st_size for path in (folder / "log").glob("*.log")}
    line = json.dumps({"job": job, "step": step, "time": time.time(), "logs": sizes})
    with (folder / STARTS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def starts(folder: Path) -> list[dict[str, Any]]:
    """All starts so far, in order."""
    path = folder / STARTS
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def end(folder: Path, job: str, reason: str) -> None:
    """Leaves the reason why the job does not go on by itself."""
    _write(folder / ENDED, {"job": job, "reason": reason, "time": time.time()})


def ended(folder: Path) -> str | None:
    """That reason, if there is one."""
    path = folder / ENDED
    return str(run_record.read_json(path)["reason"]) if path.exists() else None


def note_hang(folder: Path, start: int, reason: str) -> None:
    """Says that the watchdog ended a start."""
    _write(folder / HANG, {"start": start, "reason": reason})


def hang(folder: Path, start: int) -> str | None:
    """Why the watchdog ended that start, if it did."""
    path = folder / HANG
    found = run_record.read_json(path) if path.exists() else {}
    return str(found["reason"]) if found.get("start") == start else None


def nodes(folder: Path) -> dict[str, Any]:
    """What the node check of the last start found; empty before the first."""
    path = folder / NODES
    return run_record.read_json(path) if path.exists() else {}


def log_text(path: Path, sizes: dict[str, int], most: int = 1 << 20) -> str:
    """What this start has added to a log, at most its last MiB; nothing of one a site's options lead elsewhere."""
    if not path.exists():
        return ""
    begin = sizes.get(path.name, 0)
    with path.open("rb") as file:
        file.seek(max(begin, path.stat().st_size - most))
        return file.read().decode("utf-8", errors="replace")


def _write(path: Path, values: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(values, ensure_ascii=False, indent=2).encode() + b"\n")
