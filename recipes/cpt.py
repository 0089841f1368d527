"""Verb `cpt`: continue the pre-training of a .nemo checkpoint on a blend."""

from pathlib import Path

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes import checks, training
from recipes.recorded_run import Stage


def check(settings: DictConfig, *, has_gpu: bool) -> None:
    """Refuses a run without a checkpoint to continue from: it would train random weights for its whole budget."""
    if settings.model.get("restore_from_path") is None:
        raise UsageError(
            "No checkpoint to continue from.",
            where="model.restore_from_path",
            why="Continued pre-training without one is training from random weights.",
            fix="model.restore_from_path=/path/to/base.nemo\nlangadapt pretrain ... to start from random weights",
        )
    checks.check_pretrain(settings, has_gpu=has_gpu)


STAGE = Stage(name="cpt", schema="pretrain", check=check, driver="recipes.runtime.pretraining:run")


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the verb."""
    return training.run(STAGE, configs, overrides, dry_run=dry_run)
