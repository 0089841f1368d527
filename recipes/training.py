"""What the four training verbs share: check, refuse or skip, start the ranks, keep the record."""

import importlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import LangadaptError, UsageError
from recipes import checkpoints, checks, config, index_files, launch, run_identity, run_record, stopping
from recipes.known_keys import Schema
from recipes.run_record import RunRecord
from recipes.run_settings import run_settings
from recipes.runtime import ground


class Stopped(LangadaptError):
    """A run ended before its last step without an error: a signal or a time limit asked it to."""

    exit_code = 75


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
    run_settings(settings)
    if settings.trainer.accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a GPU that is there would be half used: NeMo moves batches to it
    folder = Path(settings.exp_manager.explicit_log_dir)
    if launch.is_child():
        launch.die_with_parent()
        return _train_as_child(stage, settings)
    os.environ[stopping.STARTED] = str(time.time())
    leads = launch.rank() == 0  # of ranks something else started, one reads and hashes the inputs for all
    if leads:
        stage.check(settings, has_gpu=_has_gpu())
    layout = checks.layout(settings)
    launch.check_world(layout.processes, settings.trainer.num_nodes, dry_run=dry_run)
    if dry_run:
        print(config.as_yaml(settings))
        print(f"{stage.name}: {layout.processes} ranks ({layout}); config is sound, nothing was started")
        return 0
    before = _earlier_run(settings, folder) if leads else run_record.read(folder)
    if before is not None and before.status == "done" and Path(str(before.model)).exists():
        print(f"{stage.name}: done already, {before.steps} steps, {before.model} (run record {folder})")
        return 0
    if leads:
        stopping.refuse_stop_file(folder)
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
    folder = Path(settings.exp_manager.explicit_log_dir)
    with stopping.listening(folder):
        ground.prepare()
        ground.quiet_nemo()
        module, function = stage.driver.split(":")
        train = getattr(importlib.import_module(module), function)
        train(settings, folder / run_record.METRICS_NAME)


def _train_as_child(stage: Stage, settings: DictConfig) -> int:
    """The work of a rank whose parent process says what became of the run."""
    try:
        _train(stage, settings)
    except stopping.Diverged:
        return stopping.Diverged.exit_code
    return 0


def _earlier_run(settings: DictConfig, folder: Path) -> RunRecord | None:
    """The run this folder holds, if any.

    Raises:
        UsageError: It is a run of another config or of other inputs: resuming would mix the two.
    """
    before = run_record.read(folder)
    if before is None:
        if any((folder / "checkpoints").glob("*")):
            raise UsageError(
                "The run folder holds checkpoints but no run record.",
                where=str(folder),
                why="Nobody knows what trained them; the run would silently continue from them.",
                fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
            )
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
    with run_record.lock(folder):
        record = _begin(stage, settings, configs, folder)
        for line in [*checkpoints.tidy(folder), *index_files.tidy(settings)]:
            print(f"{stage.name}: {line}")
        stopping.forget(folder)
        start = time.time()
        with stopping.listening(folder):
            _train_or_diverge(folder, train)
        finished = _finish(record, settings, record.seconds + time.time() - start)
    if finished.status != "done":
        raise _stopped(folder, f"{finished.steps} of {_steps_wanted(stage.name, settings) or 'all'} steps")
    print(f"{stage.name}: {finished.steps} steps in {finished.seconds:.0f} s, loss {_span(finished)}, {finished.model}")


def _train_or_diverge(folder: Path, train: Callable[[], None]) -> None:
    """Trains; of ranks in processes of their own, says what a diverging one has left as its reason."""
    try:
        train()
    except launch.RankFailed:
        ending = stopping.read_ending(folder)
        if ending is None or not ending.fault:
            raise
        fault = dict(ending.fault)
        raise stopping.Diverged(fault.pop("what"), **fault) from None


def _stopped(folder: Path, progress: str) -> Stopped:
    """The error of a run that ended before its last step, with what asked it to and what it left."""
    ending, last = stopping.read_ending(folder), checkpoints.newest(folder)
    asked = f", asked by {ending.reason}" if ending and ending.reason else ""
    return Stopped(
        f"The run stopped after {progress}{asked}.",
        where=str(last or folder),
        fix="start the same command again: it continues from the last checkpoint",
    )


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
        seconds=run_record.seconds_spent(folder, before),
    )
    record.write(folder)
    return record


def _steps_wanted(name: str, settings: DictConfig) -> int | None:
    """Steps a finished run has; None where the config gives epochs."""
    steps = settings.trainer.get(name, settings.trainer).max_steps
    return int(steps) if steps is not None and steps > 0 else None


def _finish(record: RunRecord, settings: DictConfig, seconds: float) -> RunRecord:
    """Completes the record from the metrics and the checkpoint the run left."""
    folder = Path(settings.exp_manager.explicit_log_dir)
    curve = run_record.losses(run_record.read_metrics(folder))
    model = checkpoints.final_model(settings)
    wanted = _steps_wanted(record.stage, settings)
    is_done = model.exists() and bool(curve) and (wanted is None or curve[-1][0] >= wanted)
    finished = replace(
        record,
        status="done" if is_done else "running",
        steps=curve[-1][0] if curve else 0,
        first_loss=curve[0][1] if curve else None,
        last_loss=curve[-1][1] if curve else None,
        seconds=round(seconds, 1),
        model=str(model.resolve()) if is_done else None,
    )
    finished.write(folder)
    return finished


def _blend_plan(configs: list[Path]) -> dict[str, Any] | None:
    """The plan `langadapt blend` wrote beside a fragment among the configs."""
    plans = [plan for path in configs if (plan := path.with_suffix(".json")).exists()]
    return run_record.read_json(plans[0]) if plans else None


def _span(record: RunRecord) -> str:
    if record.first_loss is None or record.last_loss is None:
        return "not logged"
    return f"{record.first_loss:.4f} -> {record.last_loss:.4f}"
