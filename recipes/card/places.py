"""Where the parts of a run lie: found below its work folder, or named one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_prep.errors import UsageError
from recipes import run_record

Stage = Literal["base", "cpt", "sft", "dpo"]
STAGES: tuple[Stage, ...] = ("base", "cpt", "sft", "dpo")
"""In the order they are trained, and under the names their run folders and converted models have."""


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """What `card` and `release` may be told about where things are."""

    run: tuple[Path, ...] = ()
    """The work folder of a recipe: data/ base/ cpt/ sft/ dpo/ hf/STAGE/ evaluation.json, each where there is one."""
    model: Path | None = None
    """A converted model, instead of hf/STAGE."""
    stage: Stage | None = None
    """Which training stage the model is of; by default the name of its folder."""
    runs: dict[str, Path] = field(default_factory=dict)
    """Run folders by stage, instead of those in the work folder."""
    data: Path | None = None
    """Output folder of the data preparation, instead of data/."""
    evaluation: Path | None = None
    """What `langadapt evaluate` wrote, instead of evaluation.json."""

    def __post_init__(self) -> None:
        if len(self.run) > 1:
            raise ValueError("one run at a time\nlangadapt card runs/demo")
        if unknown := sorted(set(self.runs) - set(STAGES)):
            raise ValueError(f"runs.{unknown[0]} is no training stage\nstages are {', '.join(STAGES)}")


@dataclass(frozen=True, kw_only=True)
class Places:
    """The parts that are there."""

    models: dict[str, Path]
    """Converted models by stage, in the order of training."""
    runs: dict[str, Path]
    data: Path | None
    evaluation: Path | None


def find(settings: PlaceSettings) -> Places:
    """The parts of the run.

    Raises:
        UsageError: A folder or file that was named is not there, or nothing was named.
    """
    work = settings.run[0].expanduser() if settings.run else None
    if work is None and settings.model is None and settings.data is None:
        raise UsageError(
            "no run is named",
            where="command line",
            fix="langadapt card runs/demo\nor its parts: model=HF_FOLDER runs.cpt=RUN_FOLDER data=DATA evaluation=FILE",
        )
    if work is not None and not work.is_dir():
        raise UsageError("there is no such folder", where=str(work), fix="langadapt demo --workdir runs/demo")
    named = _named(settings)
    runs = _below(work, {stage: stage for stage in STAGES}, run_record.FILE_NAME) | {
        stage: named[f"runs.{stage}"] for stage in settings.runs
    }
    return Places(
        models=_models(settings, work, named),
        runs={stage: runs[stage] for stage in STAGES if stage in runs},
        data=named.get("data") or (work / "data" if work and (work / "data").is_dir() else None),
        evaluation=named.get("evaluation")
        or (work / "evaluation.json" if work and (work / "evaluation.json").is_file() else None),
    )


def _named(settings: PlaceSettings) -> dict[str, Path]:
    """Every path that was given by itself; all of them must be there."""
    given = {"model": settings.model, "data": settings.data, "evaluation": settings.evaluation} | {
        f"runs.{stage}": folder for stage, folder in settings.runs.items()
    }
    named = {key: path.expanduser() for key, path in given.items() if path is not None}
    needed = {"model": "config.json", "data": "", "evaluation": ""}
    for key, path in named.items():
        inside = path / needed.get(key, run_record.FILE_NAME) if path.is_dir() else path
        if not inside.exists() or (key != "evaluation" and not path.is_dir()):
            raise UsageError(
                f"{key} is not there",
                where=str(inside),
                why="a card says nothing that no file says",
                fix=f"{key}=PATH of a folder that is, or leave it out" if key != "model" else "model=HF_FOLDER",
            )
    return named


def _models(settings: PlaceSettings, work: Path | None, named: Mapping[str, Path]) -> dict[str, Path]:
    if "model" in named:
        stage = settings.stage or named["model"].resolve().name
        if stage not in STAGES:
            raise UsageError(
                f"the folder's name, {stage}, does not say which stage the model is of",
                where=f"model={named['model']}",
                fix=f"stage={STAGES[-1]}, or another of {', '.join(STAGES)}",
            )
        return {stage: named["model"]}
    found = _below(work, {stage: f"hf/{stage}" for stage in STAGES}, "config.json")
    if settings.stage is None:
        return found
    if settings.stage not in found:
        raise UsageError(
            f"there is no converted {settings.stage} model",
            where=f"{work}/hf/{settings.stage}",
            fix=f"langadapt convert to-hf model=CHECKPOINT.nemo output={work}/hf/{settings.stage}",
        )
    return {settings.stage: found[settings.stage]}


def _below(work: Path | None, folders: Mapping[str, str], needed: str) -> dict[str, Path]:
    if work is None:
        return {}
    return {name: work / folder for name, folder in folders.items() if (work / folder / needed).is_file()}
