"""The run record: what a training run was, saw and did, as `record/run.json` in its folder (contract 6)."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from data_prep.files import atomic_write

# Below the run folder, not in it: NeMo's exp_manager moves every file it finds there aside when a run resumes.
FILE_NAME = "record/run.json"
METRICS_NAME = "record/metrics.jsonl"
LOSS_KEYS = ("reduced_train_loss", "train/loss")


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
        steps: Optimizer steps done.
        first_loss: Loss of the first step.
        last_loss: Loss of the last step.
        seconds: Wall time of the runs up to now, start-up included.
        model: The final .nemo file.
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
    steps: int = 0
    first_loss: float | None = None
    last_loss: float | None = None
    seconds: float = 0.0
    model: str | None = None

    def write(self, folder: Path) -> None:
        """Replaces the folder's record."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        with atomic_write(folder / FILE_NAME) as stream:
            stream.write(text.encode())


def read(folder: Path) -> RunRecord | None:
    """The folder's record, or None where no run has started."""
    path = folder / FILE_NAME
    return RunRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """One entry a logged step, ascending; of a step repeated after a resume only the last one counts.

    Training and validation metrics of one step arrive in lines of their own and are merged. A line cut off by a
    kill is passed over: the resumed run has written its step again.
    """
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
