"""A checkpoint's model config and tokenizer are read from the tar as it lies."""

import tarfile

import pytest
from omegaconf import OmegaConf

from data_prep.errors import DataError, UsageError
from recipes.nemo_file import read_model_config, read_tokenizer
from tests.training_inputs import make_nemo, make_tokenizer, model_part

KEY = "model.restore_from_path"


def test_model_config_and_tokenizer(tmp_path):
    tokenizer = make_tokenizer(tmp_path / "tokenizer.model")
    nemo = make_nemo(tmp_path / "base.nemo", model_part("tiny"), tokenizer)
    assert read_model_config(nemo, KEY).num_layers == 4
    assert read_tokenizer(nemo, KEY) == tokenizer.read_bytes()
    assert read_tokenizer(make_nemo(tmp_path / "bare.nemo", model_part("tiny")), KEY) is None


def test_missing_checkpoint_names_those_beside_it(tmp_path):
    with pytest.raises(UsageError, match="does not exist") as raised:
        read_model_config(tmp_path / "bse.nemo", KEY)
    assert "an existing .nemo file" in raised.value.fix
    make_nemo(tmp_path / "base.nemo", OmegaConf.create({"num_layers": 1}))
    with pytest.raises(UsageError) as raised:
        read_model_config(tmp_path / "bse.nemo", KEY)
    assert raised.value.where == KEY
    assert str(tmp_path / "base.nemo") in raised.value.fix


def test_unpacked_checkpoint_is_to_be_packed(tmp_path):
    with pytest.raises(UsageError, match="is a folder") as raised:
        read_model_config(tmp_path, KEY)
    assert f"tar -cf {tmp_path}.nemo -C {tmp_path} ." in raised.value.fix


def test_a_file_that_is_no_tar(tmp_path):
    path = tmp_path / "weights.nemo"
    path.write_text("not a tar")
    with pytest.raises(DataError, match=r"is not a whole \.nemo file") as raised:
        read_model_config(path, KEY)
    assert "copy or download it again" in raised.value.fix


def test_a_tar_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "other.nemo"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(DataError, match=r"holds no model_config\.yaml") as raised:
        read_model_config(path, KEY)
    assert "no NeMo checkpoint" in raised.value.why
