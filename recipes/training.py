"""What the four training verbs share: check, refuse or skip, start the ranks."""

import os
import time
from pathlib import Path

from omegaconf import DictConfig

from recipes import checks, config, curriculum, launch, run_record, stopping
from recipes.monitor.guard import refuse_standing_alarm
from recipes.phased_run import run_phases
from recipes.recorded_run import Stage, blend_plan, earlier_run, plan_path, run_recorded, train_as_child, train_rank
from recipes.run_settings import run_settings
from recipes.runtime import ground


def run(stage: Stage, configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs a training verb to its end, or continues it; returns the exit code.

    Started alone it starts the ranks of this machine itself; started as a rank by torchrun or srun it is one.
    """
    ground.quiet_libraries()
    settings = config.load(configs, overrides, stage.schema)
    parts = curriculum.parts_of(run_settings(settings).phases, settings, configs, overrides, stage.schema)
    if settings.trainer.accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a GPU that is there would be half used: NeMo moves batches to it
    folder = Path(settings.exp_manager.explicit_log_dir)
    if launch.is_child():
        launch.die_with_parent()
        return train_as_child(stage, curriculum.current(settings, parts))
    _start_clock()
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
        return run_phases(stage, settings, configs, parts, words)
    before = earlier_run(settings, folder) if leads else run_record.read(folder)
    if before is not None and before.is_done:
        print(f"{stage.name}: done already, {before.steps} steps, {before.model} (run record {folder})")
        return 0
    refuse_standing_alarm(settings, folder)
    if leads:
        stopping.refuse_stop_file(folder)
    if launch.is_rank() or layout.processes == 1:
        run_recorded(stage, settings, configs, folder, lambda: train_rank(stage, settings))
    else:
        ranks = folder / "ranks"
        run_recorded(stage, settings, configs, folder, lambda: launch.run_ranks(words, layout.processes, ranks))
    return 0


def _start_clock() -> None:
    """Notes when the command began; a step of a job keeps what its script has noted, containers' start included."""
    if "SLURM_STEP_ID" not in os.environ or stopping.STARTED not in os.environ:
        os.environ[stopping.STARTED] = str(time.time())


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _check(stage: Stage, settings: DictConfig, configs: list[Path], *, dry_run: bool) -> None:
    """Refuses what cannot run here, or would read its data more often than planned."""
    stage.check(settings, has_gpu=_has_gpu() or _is_elsewhere(stage, settings, dry_run=dry_run))
    if stage.schema == "pretrain":
        plan, limit = plan_path(configs), run_settings(settings).draw
        for line in checks.check_draw(settings, plan, blend_plan(configs), limit):
            print(f"{stage.name}: {line}")


def _is_elsewhere(stage: Stage, settings: DictConfig, *, dry_run: bool) -> bool:
    """Whether a configuration for GPUs is only looked at, on a machine without one: a laptop, a login node."""
    if not dry_run or settings.trainer.accelerator not in {"gpu", "cuda"} or _has_gpu():
        return False
    print(f"{stage.name}: this machine has no GPU; the config is checked for one that has")
    return True
