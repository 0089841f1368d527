"""The run record: what a training run was, saw and did, as `record/run.json` in its folder (contract 6)."""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from data_prep import files
from data_prep.errors import DataError
from data_prep.files import atomic_write

# Below the run folder, not in it: NeMo's exp_manager moves every file it finds there aside when a run resumes.
FILE_NAME = "record/run.json"
METRICS_NAME = "record/metrics.jsonl"
LOSS_KEYS = ("reduced_train_loss", "train/loss")
PHASES_NAME = "phases"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One training run.

    Attributes:
        stage: pretrain, cpt, sft or dpo.
        status: `running` from the start, `done` at the end: a killed run stays `running`.
        identity: Hash of everything that shapes the result, config and inputs; the parallel layout is not part of
            it, because a run may resume under another one.
        config: The resolved config.
        inputs: SHA-256 by path of every file the run reads.
        layout: Ranks by dimension: tensor, pipeline, data.
        ground: What the run stood on (`recipes.runtime.ground.Ground`).
        git: Commit and whether the tree had changes.
        blend: The blend plan whose fragment the config took its data from, if any.
        examples: Of SFT and DPO, what each split reads and what was dropped from it, by reason.
        steps: Optimizer steps done.
        first_loss: Loss of the first step.
        last_loss: Loss of the last step.
        seconds: Wall time, start-up included; of a stopped run at least from its first logged step to its last.
        model: The final .nemo file.
        seen: What the consumed samples held of each dataset (`recipes.audit.Seen`), counted when a run ends or stops.
        phases: The records of a run's phases, in order (`recipes.curriculum`); the other fields then sum them up.
        monitor: What the forgetting monitor saw: baseline, last reading and change of every curve, and its cost.
    """

    stage: str
    status: Literal["running", "done"]
    identity: str
    config: dict[str, Any]
    inputs: dict[str, str]
    layout: dict[str, int]
    ground: dict[str, Any]
    git: dict[str, Any]
    blend: dict[str, Any] | None = None
    examples: dict[str, Any] | None = None
    steps: int = 0
    first_loss: float | None = None
    last_loss: float | None = None
    seconds: float = 0.0
    model: str | None = None
    seen: list[dict[str, Any]] | None = None
    phases: list[dict[str, Any]] | None = None
    monitor: dict[str, Any] | None = None

    @property
    def is_done(self) -> bool:
        """Whether the run has trained to its end and its model is still there."""
        return self.status == "done" and Path(str(self.model)).exists()

    def write(self, folder: Path) -> None:
        """Replaces the folder's record."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        with atomic_write(folder / FILE_NAME) as stream:
            stream.write(text.encode())


def read(folder: Path) -> RunRecord | None:
    """The folder's record, or None where no run has started.

    Raises:
        DataError: It is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        return RunRecord(**read_json(path))
    except TypeError as error:
        raise _damaged(path, error) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        DataError: It is damaged.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from None
    return value


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path.name} cannot be read: {error}",
        where=str(path),
        why="It says what made the files beside it.",
        fix=f"restore it, or remove {path.parent} and make it again",
    )


def lock(folder: Path) -> AbstractContextManager[None]:
    """Holds a run folder for this process, until it ends in whatever way.

    Raises:
        UsageError: Another process is running in the folder.
    """
    return files.lock(
        folder,
        "record/lock",
        what="Another process is running in this folder",
        why="Two runs would overwrite each other's checkpoints.",
        fix="wait for it, stop it, or choose another folder",
    )


def seconds_spent(folder: Path, before: RunRecord | None) -> float:
    """Seconds of the earlier, stopped runs: what their record says, or at least what their metrics span."""
    times = [entry["time"] for entry in read_metrics(folder)]
    spanned = max(times) - min(times) if times else 0.0
    return max(before.seconds if before else 0.0, spanned)


def phase_folders(folder: Path) -> list[Path]:
    """The run folders of a run's phases that have begun, in order; none for a run without phases."""
    return sorted((folder / PHASES_NAME).glob("[0-9]*"), key=lambda path: int(path.name))


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """One entry a logged step, ascending; of a step repeated after a resume only the last one counts.

    Training and validation metrics of one step arrive in lines of their own and are merged. A line cut off by a
    kill is passed over: the resumed run has written its step again. Steps of phases are counted through.
    """
    entries, before = _read_metrics_of(folder), 0
    for phase in phase_folders(folder):
        entries += [{**entry, "step": entry["step"] + before} for entry in _read_metrics_of(phase)]
        record = read(phase)
        before += int(record.config["trainer"]["max_steps"]) if record else 0
    return entries


def _read_metrics_of(folder: Path) -> list[dict[str, float]]:
    path = folder / METRICS_NAME
    steps: dict[int, dict[str, float]] = {}
    if not path.exists():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        steps.setdefault(int(entry["step"]), {}).update(entry)
    return [steps[step] for step in sorted(steps)]


def losses(metrics: Iterable[dict[str, float]]) -> list[tuple[int, float]]:
    """(step counted from 1, training loss) of every logged training step."""
    return [(int(entry["step"]) + 1, entry[key]) for entry in metrics for key in LOSS_KEYS if key in entry]
