"""What the four training verbs share: check, refuse or skip, start the ranks, keep the record."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from recipes import checks, config, launch, run_record
from recipes.known_keys import Schema
from recipes.run_record import RunRecord
from recipes.runtime import ground


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A training verb.

    Attributes:
        name: The verb.
        schema: Which upstream YAML its config follows.
        check: Refuses a config that cannot run here, before anything is loaded.
        driver: `module:function` in recipes.runtime that trains, called in every rank.
    """

    name: str
    schema: Schema
    check: Callable[..., None]
    driver: str


# Keys that say how a run is laid out over devices, not what it computes: a run may resume with others.
LAYOUT_KEYS = (
    "trainer.devices",
    "trainer.num_nodes",
    "model.tensor_model_parallel_size",
    "model.pipeline_model_parallel_size",
    "model.sequence_parallel",
    "model.micro_batch_size",
    "exp_manager",
)


def run(stage: Stage, configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs a training verb to its end, or continues it; returns the exit code."""
    ground.quiet_libraries()
    settings = config.load(configs, overrides, stage.schema)
    if launch.is_rank():
        return _train(stage, settings)
    stage.check(settings, has_gpu=_has_gpu())
    layout = checks.layout(settings)
    if dry_run:
        print(config.as_yaml(settings))
        print(f"{stage.name}: {layout.processes} ranks ({layout}); config is sound, nothing was started")
        return 0
    folder = Path(settings.exp_manager.explicit_log_dir)
    record = _begin(stage, settings, configs, folder)
    if record.status == "done":
        print(f"{stage.name}: done already, {record.steps} steps, {record.model} (run record {folder})")
        return 0
    start = time.time()
    if layout.processes == 1:
        _train(stage, settings)
    else:
        arguments = [stage.name, *(str(path) for path in configs), *overrides]
        launch.run_ranks(arguments, layout.processes, folder / "ranks")
    finished = _finish(record, folder, record.seconds + time.time() - start)
    print(f"{stage.name}: {finished.steps} steps in {finished.seconds:.0f} s, loss {_span(finished)}, {finished.model}")
    return 0


def identity(settings: DictConfig) -> str:
    """Hash of what a config computes, whatever the layout."""
    copy = DictConfig(OmegaConf.to_container(settings, resolve=True))
    for key in LAYOUT_KEYS:
        if OmegaConf.select(copy, key) is not None:
            OmegaConf.update(copy, key, None)
    return config.config_hash(copy)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _train(stage: Stage, settings: DictConfig) -> int:
    """The work of one rank."""
    ground.prepare()
    ground.quiet_nemo()
    module, function = stage.driver.split(":")
    train = getattr(importlib.import_module(module), function)
    train(settings, Path(settings.exp_manager.explicit_log_dir) / run_record.METRICS_NAME)
    return 0


def _begin(stage: Stage, settings: DictConfig, configs: list[Path], folder: Path) -> RunRecord:
    """The record of a new run, or of the one this folder holds.

    Raises:
        UsageError: The folder holds a run of another config: resuming would mix the two.
    """
    mine = identity(settings)
    before = run_record.read(folder)
    if before is not None and before.identity != mine:
        changed = _differences(before.config, OmegaConf.to_container(settings, resolve=True))
        raise UsageError(
            f"The run folder holds a {before.stage} run of another config; changed: {', '.join(changed[:8])}.",
            where=str(folder),
            why="Its checkpoints would be resumed under settings they were not trained with.",
            fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
        )
    if before is not None and before.status == "done" and Path(str(before.model)).exists():
        return before
    if before is not None:
        print(f"{stage.name}: continuing in {folder}")
    record = RunRecord(
        stage=stage.name,
        status="running",
        identity=mine,
        config=OmegaConf.to_container(settings, resolve=True),  # type: ignore[arg-type]
        layout=checks.layout(settings).as_dict(),
        ground=ground.detect().as_dict(),
        git=launch.git_state(),
        blend=_blend_plan(configs),
        seconds=before.seconds if before else 0.0,
    )
    record.write(folder)
    return record


def _finish(record: RunRecord, folder: Path, seconds: float) -> RunRecord:
    """Completes the record from the metrics and the checkpoint the run left."""
    curve = run_record.losses(run_record.read_metrics(folder))
    models = sorted((folder / "checkpoints").glob("*.nemo"))
    finished = replace(
        record,
        status="done" if models else "running",
        steps=curve[-1][0] if curve else 0,
        first_loss=curve[0][1] if curve else None,
        last_loss=curve[-1][1] if curve else None,
        seconds=round(seconds, 1),
        model=str(models[0].resolve()) if models else None,
    )
    finished.write(folder)
    return finished


def _blend_plan(configs: list[Path]) -> dict[str, Any] | None:
    """The plan `langadapt blend` wrote beside a fragment among the configs."""
    plans = [plan for path in configs if (plan := path.with_suffix(".json")).exists()]
    return json.loads(plans[0].read_text(encoding="utf-8")) if plans else None


def _differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Dotted keys whose values differ, layout keys left out."""
    if path in LAYOUT_KEYS:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(set(before) | set(after))
        return [
            found
            for key in keys
            for found in _differences(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if before == after else [path]


def _span(record: RunRecord) -> str:
    if record.first_loss is None or record.last_loss is None:
        return "not logged"
    return f"{record.first_loss:.4f} -> {record.last_loss:.4f}"
