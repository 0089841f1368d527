"""Our own section of a training configuration is read as strictly as the rest."""

import pytest
from omegaconf import OmegaConf

from data_prep.errors import UsageError
from recipes.run_settings import RunSettings, run_settings


def test_an_absent_section_means_every_default():
    assert run_settings(OmegaConf.create({"model": {}})) == RunSettings()


def test_a_misspelt_key_is_fatal_and_named():
    with pytest.raises(UsageError, match="unknown key 'monitr'") as caught:
        run_settings(OmegaConf.create({"langadapt": {"monitr": {}}}))
    assert "monitr in section `langadapt`" in caught.value.where
