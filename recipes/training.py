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
from recipes import checks, config, launch, run_identity, run_record
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


def run(stage: Stage, configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs a training verb to its end, or continues it; returns the exit code.

    Started alone it starts the ranks of this machine itself; started as a rank by torchrun or srun it is one.
    """
    ground.quiet_libraries()
    settings = config.load(configs, overrides, stage.schema)
    if launch.is_child():
        _train(stage, settings)
        return 0
    stage.check(settings, has_gpu=_has_gpu())
    layout = checks.layout(settings)
    if dry_run:
        print(config.as_yaml(settings))
        print(f"{stage.name}: {layout.processes} ranks ({layout}); config is sound, nothing was started")
        return 0
    folder = Path(settings.exp_manager.explicit_log_dir)
    before = _earlier_run(settings, folder)
    if before is not None and before.status == "done" and Path(str(before.model)).exists():
        print(f"{stage.name}: done already, {before.steps} steps, {before.model} (run record {folder})")
        return 0
    if launch.is_rank() or layout.processes == 1:
        _run_recorded(stage, settings, configs, folder, lambda: _train(stage, settings))
    else:
        words = [stage.name, *(str(path) for path in configs), *overrides]
        ranks = folder / "ranks"
        _run_recorded(stage, settings, configs, folder, lambda: launch.run_ranks(words, layout.processes, ranks))
    return 0


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _train(stage: Stage, settings: DictConfig) -> None:
    """The work of one rank."""
    ground.prepare()
    ground.quiet_nemo()
    module, function = stage.driver.split(":")
    train = getattr(importlib.import_module(module), function)
    train(settings, Path(settings.exp_manager.explicit_log_dir) / run_record.METRICS_NAME)


def _earlier_run(settings: DictConfig, folder: Path) -> RunRecord | None:
    """The run this folder holds, if any.

    Raises:
        UsageError: It is a run of another config or of other inputs: resuming would mix the two.
    """
    before = run_record.read(folder)
    if before is None:
        return None
    inputs = run_identity.input_hashes(settings)
    if before.identity == run_identity.identity(settings, inputs):
        return before
    changed = run_identity.differences(before.config, OmegaConf.to_container(settings, resolve=True))
    changed += [path for path, digest in inputs.items() if before.inputs.get(path, digest) != digest]
    raise UsageError(
        f"The run folder holds a {before.stage} run of another config or other inputs; changed: "
        f"{', '.join(changed[:8])}.",
        where=str(folder),
        why="Its checkpoints would be resumed under settings, or on data, they were not trained with.",
        fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
    )


def _run_recorded(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, train: Callable[[], None]
) -> None:
    """Trains between a record that says `running` and one that says `done`; rank 0 alone writes them."""
    if launch.rank() != 0:
        train()
        return
    record = _begin(stage, settings, configs, folder)
    start = time.time()
    train()
    finished = _finish(record, folder, record.seconds + time.time() - start)
    print(f"{stage.name}: {finished.steps} steps in {finished.seconds:.0f} s, loss {_span(finished)}, {finished.model}")


def _begin(stage: Stage, settings: DictConfig, configs: list[Path], folder: Path) -> RunRecord:
    """Writes the record of a run that starts or goes on."""
    before = run_record.read(folder)
    if before is not None:
        print(f"{stage.name}: continuing in {folder}")
    inputs = run_identity.input_hashes(settings)
    record = RunRecord(
        stage=stage.name,
        status="running",
        identity=run_identity.identity(settings, inputs),
        config=OmegaConf.to_container(settings, resolve=True),  # type: ignore[arg-type]
        inputs=inputs,
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


def _span(record: RunRecord) -> str:
    if record.first_loss is None or record.last_loss is None:
        return "not logged"
    return f"{record.first_loss:.4f} -> {record.last_loss:.4f}"
