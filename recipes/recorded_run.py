"""One training run between a record that says `running` and one that says `done`."""

import importlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes import audit, checkpoints, checks, index_files, launch, run_identity, run_record, stopping
from recipes.known_keys import Schema
from recipes.monitor import decisions
from recipes.monitor.guard import refuse_standing_alarm
from recipes.run_record import RunRecord
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
        prepare: Writes what the ranks read into the run folder, before they start; says what it did.
    """

    name: str
    schema: Schema
    check: Callable[..., None]
    driver: str
    prepare: Callable[[DictConfig], dict[str, Any]] | None = None


def train_rank(stage: Stage, settings: DictConfig) -> None:
    """The work of one rank."""
    folder = Path(settings.exp_manager.explicit_log_dir)
    with stopping.listening(folder):
        ground.prepare()
        ground.quiet_nemo()
        module, function = stage.driver.split(":")
        train = getattr(importlib.import_module(module), function)
        train(settings, folder / run_record.METRICS_NAME)


def train_as_child(stage: Stage, settings: DictConfig) -> int:
    """The work of a rank whose parent process says what became of the run."""
    try:
        train_rank(stage, settings)
    except stopping.Diverged:
        return stopping.Diverged.exit_code
    return 0


def earlier_run(settings: DictConfig, folder: Path) -> RunRecord | None:
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
        checks.check_layout_change(before.config, settings, folder)
        return before
    if error := checks.schedule_change(before.stage, before.config, settings, folder):
        raise error
    changed = run_identity.differences(before.config, OmegaConf.to_container(settings, resolve=True))
    changed += [path for path, digest in inputs.items() if before.inputs.get(path, digest) != digest]
    raise UsageError(
        f"The run folder holds a {before.stage} run of another config or other inputs; changed: "
        f"{', '.join(changed[:8])}.",
        where=str(folder),
        why="Its checkpoints would be resumed under settings, or on data, they were not trained with.",
        fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
    )


def run_recorded(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, train: Callable[[], None]
) -> None:
    """Trains between a record that says `running` and one that says `done`; rank 0 alone writes them."""
    if launch.rank() != 0:
        train()
        return
    with run_record.lock(folder):
        examples = stage.prepare(settings) if stage.prepare else None
        record = _begin(stage, settings, configs, folder, examples)
        for line in [*checkpoints.tidy(folder), *index_files.tidy(settings)]:
            print(f"{stage.name}: {line}")
        stopping.forget(folder)
        start = time.time()
        with stopping.listening(folder):
            _train_or_diverge(folder, train)
        finished = _finish(record, settings, record.seconds + time.time() - start)
        if finished.seen:
            audit.report(folder, [audit.Seen(**row) for row in finished.seen])
    if finished.status != "done":
        refuse_standing_alarm(settings, folder)
        raise _stopped(folder, f"{finished.steps} of {_steps_wanted(stage.name, settings) or 'all'} steps")
    print(f"{stage.name}: {finished.steps} steps in {finished.seconds:.0f} s, loss {span(finished)}, {finished.model}")


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


def _begin(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, examples: dict[str, Any] | None
) -> RunRecord:
    """Writes the record of a run that starts or goes on."""
    before = run_record.read(folder)
    if before is not None:
        print(f"{stage.name}: continuing in {folder}")
    record = new_record(stage, settings, configs, examples)
    record = replace(record, seconds=run_record.seconds_spent(folder, before))
    record.write(folder)
    return record


def new_record(
    stage: Stage, settings: DictConfig, configs: list[Path], examples: dict[str, Any] | None = None
) -> RunRecord:
    """The record of a run that has done nothing yet."""
    inputs = run_identity.input_hashes(settings)
    return RunRecord(
        stage=stage.name,
        status="running",
        identity=run_identity.identity(settings, inputs),
        config=OmegaConf.to_container(settings, resolve=True),  # type: ignore[arg-type]
        inputs=inputs,
        layout=checks.layout(settings).as_dict(),
        ground=ground.detect().as_dict(),
        git=launch.git_state(),
        blend=blend_plan(configs),
        examples=examples,
    )


def _steps_wanted(name: str, settings: DictConfig) -> int | None:
    """Steps a finished run has; None where the config gives epochs."""
    steps = settings.trainer.get(name, settings.trainer).max_steps
    return int(steps) if steps is not None and steps > 0 else None


def _finish(record: RunRecord, settings: DictConfig, seconds: float) -> RunRecord:
    """Completes the record from the metrics and the checkpoint the run left."""
    folder = Path(settings.exp_manager.explicit_log_dir)
    metrics = run_record.read_metrics(folder)
    curve = run_record.losses(metrics)
    model = checkpoints.final_model(settings)
    wanted = _steps_wanted(record.stage, settings)
    steps = _steps_done(record.stage, folder, curve)
    is_done = model.exists() and bool(curve) and (wanted is None or steps >= wanted)
    finished = replace(
        record,
        status="done" if is_done else "running",
        steps=steps,
        first_loss=curve[0][1] if curve else None,
        last_loss=curve[-1][1] if curve else None,
        seconds=round(seconds, 1),
        model=str(model.resolve()) if is_done else None,
        monitor=decisions.summary(metrics),
    )
    finished = replace(finished, seen=_seen(folder, finished))
    finished.write(folder)
    return finished


def _steps_done(name: str, folder: Path, curve: list[tuple[int, float]]) -> int:
    """Steps logged, or those of a later checkpoint: log_every_n_steps 10 logs step 84,770 of 84,772 last."""
    logged, last = curve[-1][0] if curve else 0, checkpoints.last(folder)
    return max(logged, last[0]) if last and name in ("pretrain", "cpt") else logged


def _seen(folder: Path, record: RunRecord) -> list[dict[str, Any]] | None:
    """What the run has read, for the record; a run that has trained does not fail for want of a count."""
    try:
        return [asdict(row) for row in audit.of_run(folder, record)] or None
    except DataError as error:
        print(f"{record.stage}: the sampling audit is left out: {error}")
        return None


def plan_path(configs: list[Path]) -> Path | None:
    """The plan `langadapt blend` wrote beside a fragment among the configs."""
    return next((plan for path in configs if (plan := path.with_suffix(".json")).exists()), None)


def blend_plan(configs: list[Path]) -> dict[str, Any] | None:
    """It, read."""
    path = plan_path(configs)
    return run_record.read_json(path) if path else None


def span(record: RunRecord) -> str:
    """First and last loss, for people."""
    if record.first_loss is None or record.last_loss is None:
        return "not logged"
    return f"{record.first_loss:.4f} -> {record.last_loss:.4f}"
