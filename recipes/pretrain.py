"""Verb `pretrain`: train from random weights.

A real project starts from a published base model (`cpt`); the demo has none to download and trains its own.
"""

from pathlib import Path

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes import checks, training
from recipes.recorded_run import Stage


def check(settings: DictConfig, *, has_gpu: bool) -> None:
    """Refuses a config that names a checkpoint: that run is `cpt`."""
    source = settings.model.get("restore_from_path")
    if source is not None:
        raise UsageError(
            f"model.restore_from_path is {source}, but `pretrain` starts from random weights.",
            where="model.restore_from_path",
            why="The checkpoint would be ignored, or the run would not be what its name says.",
            fix="langadapt cpt ... to continue from it\nmodel.restore_from_path=null to start afresh",
        )
    checks.check_pretrain(settings, has_gpu=has_gpu)


STAGE = Stage(name="pretrain", schema="pretrain", check=check, driver="recipes.runtime.pretraining:run")


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the verb."""
    return training.run(STAGE, configs, overrides, dry_run=dry_run)
