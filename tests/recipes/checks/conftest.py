"""Configurations that pass every check, to be broken one value at a time."""

from collections.abc import Callable

import pytest
from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes.config import NEMO_CONFIGS, load
from tests.training_inputs import Inputs, make_inputs

SCHEMA_OF_FOLDER = {"cpt": "pretrain", "sft": "sft", "dpo": "dpo"}


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"), "tiny", tensor=1, tokens=16 * 256 + 1, examples=8)


@pytest.fixture(scope="session")
def sound(inputs) -> dict[str, DictConfig]:
    """The tiny configuration of each stage."""
    return {
        folder: load([NEMO_CONFIGS / folder / "tiny.yaml"], inputs.overrides(schema), schema)
        for folder, schema in SCHEMA_OF_FOLDER.items()
    }


@pytest.fixture
def tiny(sound) -> Callable[..., DictConfig]:
    """A copy of a sound configuration with changes: `tiny("cpt", {"trainer.devices": 3})`."""

    def change(folder: str, changes: dict[str, object] | None = None) -> DictConfig:
        cfg = OmegaConf.create(OmegaConf.to_container(sound[folder]))
        for key, value in (changes or {}).items():
            OmegaConf.update(cfg, key, value, merge=False, force_add=True)
        return cfg

    return change


def refused(check: Callable[..., object], *arguments: object, **options: object) -> LangadaptError:
    """The error of a check."""
    with pytest.raises((UsageError, DataError)) as raised:
        check(*arguments, **options)
    return raised.value
