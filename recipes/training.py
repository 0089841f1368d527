"""What the four training verbs share: check, refuse or skip, start the ranks, keep the record."""

import contextlib
import importlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes import audit, checkpoints, checks, config, curriculum, launch, run_identity, run_record
from recipes.known_keys import Schema
from recipes.monitor import decisions
from recipes.monitor.guard import refuse_standing_alarm
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
    parts = curriculum.parts_of(run_settings(settings).phases, settings, configs, overrides, stage.schema)
    if settings.trainer.accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a GPU that is there would be half used: NeMo moves batches to it
    if launch.is_child():
        _train(stage, curriculum.current(settings, parts))
        return 0
    leads = launch.rank() == 0  # of ranks something else started, one reads and hashes the inputs for all
    if leads:
        for each, files in [(part.settings, part.fragments) for part in parts] or [(settings, configs)]:
            _check(stage, each, files, dry_run=dry_run)
    layout = checks.layout(settings)
    launch.check_world(layout.processes, settings.trainer.num_nodes, dry_run=dry_run)
    if dry_run:
        print(config.as_yaml(settings))
        print("".join(curriculum.line(part) for part in parts), end="")
        print(f"{stage.name}: {layout.processes} ranks ({layout}); config is sound, nothing was started")
        return 0
    words = [stage.name, *(str(path) for path in configs), *overrides]
    if parts:
        return _run_phases(stage, settings, configs, parts, words)
    folder = Path(settings.exp_manager.explicit_log_dir)
    before = _earlier_run(settings, folder) if leads else run_record.read(folder)
    if before is not None and before.status == "done" and Path(str(before.model)).exists():
        print(f"{stage.name}: done already, {before.steps} steps, {before.model} (run record {folder})")
        return 0
    refuse_standing_alarm(settings, folder)
    if launch.is_rank() or layout.processes == 1:
        _run_recorded(stage, settings, configs, folder, lambda: _train(stage, settings))
    else:
        ranks = folder / "ranks"
        _run_recorded(stage, settings, configs, folder, lambda: launch.run_ranks(words, layout.processes, ranks))
    return 0


def _run_phases(
    stage: Stage, settings: DictConfig, configs: list[Path], parts: list[curriculum.Part], words: list[str]
) -> int:
    """Trains the parts of a run that are not done, in order, each in processes of its own.

    Ranks that something else started go on as new processes under their old ids: a process can hold one model.
    """
    folder = Path(settings.exp_manager.explicit_log_dir)
    if launch.rank() != 0:
        for part in curriculum.to_do(parts)[:1]:  # a switch makes a new process
            _run_part(stage, part, parts, words)
        return 0
    whole = _whole_record(stage, settings, configs, folder, parts)
    curriculum.summary(whole, parts).write(folder)
    for part in curriculum.to_do(parts):
        print(f"{stage.name}: phase {part.number} of {len(parts)}, {curriculum.line(part)}", end="", flush=True)
        try:
            _run_part(stage, part, parts, words)
        finally:
            curriculum.summary(whole, parts).write(folder)
    finished = curriculum.summary(whole, parts)
    audit.report(folder, [audit.Seen(**row) for row in finished.seen or ()])
    print(f"{stage.name}: {finished.steps} steps in {len(parts)} phases, loss {_span(finished)}, {finished.model}")
    return 0


def _run_part(stage: Stage, part: curriculum.Part, parts: list[curriculum.Part], words: list[str]) -> None:
    """Trains one phase; a rank that something else started goes on to the next as a new process and never returns."""
    settings = curriculum.started(part, curriculum.neighbour(parts, part))
    ranks, processes = part.folder / "ranks", checks.layout(settings).processes

    def train() -> None:
        if launch.is_rank():
            _train(stage, settings)
        else:
            with curriculum.named(part):
                launch.run_ranks(words, processes, ranks)

    _run_recorded(stage, settings, part.fragments, part.folder, train)
    if launch.is_rank() and part.number < len(parts):
        curriculum.go_on(part)


def _whole_record(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, parts: list[curriculum.Part]
) -> RunRecord:
    """The record of a run in phases before any of them.

    Raises:
        UsageError: The folder holds a run without phases, or a phase of another config or of other inputs.
    """
    before = run_record.read(folder)
    if before is not None and before.phases is None:
        raise UsageError(
            f"The run folder holds a {before.stage} run without phases.",
            where=str(folder),
            why="Its checkpoints would stand beside those of other runs, and its record would be lost.",
            fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
        )
    for part in parts:
        _earlier_run(part.settings, part.folder)
    return replace(_new_record(stage, settings, configs), phases=[])


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _check(stage: Stage, settings: DictConfig, configs: list[Path], *, dry_run: bool) -> None:
    """Refuses what cannot run here, or would read its data more often than planned."""
    stage.check(settings, has_gpu=_has_gpu() or _is_elsewhere(stage, settings, dry_run=dry_run))
    if stage.schema == "pretrain":
        plan, limit = _plan_path(configs), run_settings(settings).draw
        for line in checks.check_draw(settings, plan, _blend_plan(configs), limit):
            print(f"{stage.name}: {line}")


def _is_elsewhere(stage: Stage, settings: DictConfig, *, dry_run: bool) -> bool:
    """Whether a configuration for GPUs is only looked at, on a machine without one: a laptop, a login node."""
    if not dry_run or settings.trainer.accelerator not in {"gpu", "cuda"} or _has_gpu():
        return False
    print(f"{stage.name}: this machine has no GPU; the config is checked for one that has")
    return True


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


def _run_recorded(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, train: Callable[[], None]
) -> None:
    """Trains between a record that says `running` and one that says `done`; rank 0 alone writes them."""
    if launch.rank() != 0:
        train()
        return
    with run_record.lock(folder):
        record = _begin(stage, settings, configs, folder)
        for line in checkpoints.tidy(folder):
            print(f"{stage.name}: {line}")
        start = time.time()
        with contextlib.suppress(SystemExit):  # NeMo's preemption callback leaves so, after saving a checkpoint
            train()
        finished = _finish(record, settings, record.seconds + time.time() - start)
        if finished.seen:
            audit.report(folder, [audit.Seen(**row) for row in finished.seen])
    if finished.status != "done":
        refuse_standing_alarm(settings, folder)
        raise Stopped(
            f"The run stopped after {finished.steps} of {_steps_wanted(stage.name, settings) or 'all'} steps.",
            where=str(folder),
            fix="start the same command again: it continues from the last checkpoint",
        )
    print(f"{stage.name}: {finished.steps} steps in {finished.seconds:.0f} s, loss {_span(finished)}, {finished.model}")


def _begin(stage: Stage, settings: DictConfig, configs: list[Path], folder: Path) -> RunRecord:
    """Writes the record of a run that starts or goes on."""
    before = run_record.read(folder)
    if before is not None:
        print(f"{stage.name}: continuing in {folder}")
    record = replace(_new_record(stage, settings, configs), seconds=run_record.seconds_spent(folder, before))
    record.write(folder)
    return record


def _new_record(stage: Stage, settings: DictConfig, configs: list[Path]) -> RunRecord:
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
        blend=_blend_plan(configs),
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


def _plan_path(configs: list[Path]) -> Path | None:
    """The plan `langadapt blend` wrote beside a fragment among the configs."""
    return next((plan for path in configs if (plan := path.with_suffix(".json")).exists()), None)


def _blend_plan(configs: list[Path]) -> dict[str, Any] | None:
    path = _plan_path(configs)
    return run_record.read_json(path) if path else None


def _span(record: RunRecord) -> str:
    if record.first_loss is None or record.last_loss is None:
        return "not logged"
    return f"{record.first_loss:.4f} -> {record.last_loss:.4f}"
