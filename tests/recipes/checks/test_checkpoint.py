"""A checkpoint is compared with the model that will be built, before weights are loaded into it."""

import pytest
from omegaconf import OmegaConf

from recipes.checks.checkpoint import check_checkpoint, merged_model
from tests.recipes.checks.conftest import refused
from tests.training_inputs import make_nemo, make_tokenizer, model_part

KEY = "model.restore_from_path"


@pytest.fixture
def nemo(tmp_path):
    """Saved at tensor parallel size 1: a vocabulary of 320, padded to 512 rows."""
    return make_nemo(tmp_path / "base.nemo", model_part("tiny"), make_tokenizer(tmp_path / "tokenizer.model"))


def model(tensor: int, divisible_by: int):
    return model_part("tiny", tensor_model_parallel_size=tensor, make_vocab_size_divisible_by=divisible_by)


def test_checkpoint_of_the_same_model_fits(nemo):
    for tensor, divisible_by in [(1, 256), (2, 128), (2, 256), (4, 64), (1, 512)]:
        check_checkpoint(model(tensor, divisible_by), nemo, KEY)


def test_checkpoint_of_another_model(tmp_path):
    wide = make_nemo(tmp_path / "wide.nemo", model_part("tiny", hidden_size=256, num_layers=2))
    error = refused(check_checkpoint, model(1, 256), wide, KEY)
    assert "num_layers 2 (here 4), hidden_size 256 (here 192)" in str(error)
    assert error.fix.startswith("model.num_layers=2 model.hidden_size=256")


@pytest.mark.parametrize(
    ("tensor", "divisible_by", "rows", "fix"),
    [
        (1, 128, 384, "model.make_vocab_size_divisible_by=512"),
        (4, 256, 1024, "model.make_vocab_size_divisible_by=128"),
        (3, 128, 384, "model.tensor_model_parallel_size=1 or 2"),
    ],
)
def test_tensor_size_may_not_change_the_rows_of_the_embedding(nemo, tensor, divisible_by, rows, fix):
    error = refused(check_checkpoint, model(tensor, divisible_by), nemo, KEY)
    assert f"a vocabulary of 320 is padded to {rows} rows, in the checkpoint to 512" in str(error)
    assert error.fix == fix


def test_checkpoint_without_a_tokenizer_is_checked_by_its_architecture_alone(tmp_path):
    check_checkpoint(model(3, 100), make_nemo(tmp_path / "bare.nemo", model_part("tiny")), KEY)


def test_merged_model_is_the_checkpoints_with_ours_laid_over_it(nemo):
    cfg = OmegaConf.create({"model": {"restore_from_path": str(nemo), "hidden_dropout": 0.1}})
    merged = merged_model(cfg, KEY)
    assert (merged.num_layers, merged.hidden_dropout) == (4, 0.1)
