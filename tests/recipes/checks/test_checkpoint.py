"""A checkpoint is compared with the model that will be built, before weights are loaded into it."""

import io
import tarfile

import pytest
from omegaconf import OmegaConf

from data_prep.vocabulary import load
from recipes.checks.checkpoint import check_checkpoint, merged_model
from tests.data_prep import hf_tokenizers
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


def test_rows_of_a_hugging_face_vocabulary_are_counted_with_its_added_tokens(tmp_path):
    tokenizer = hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path) / "tokenizer.json"
    size = load(tokenizer).size
    nemo = make_nemo(tmp_path / "base.nemo", model_part("tiny_llama"), tokenizer)
    here = model_part("tiny_llama", make_vocab_size_divisible_by=size)
    error = refused(check_checkpoint, here, nemo, KEY)
    assert f"a vocabulary of {size} is padded to {size} rows, in the checkpoint to 512" in str(error)


@pytest.mark.parametrize(
    ("name", "theirs", "ours"), [("rotary_base", 10_000, 500_000), ("scale_positional_embedding", False, True)]
)
def test_positions_are_turned_as_in_the_checkpoint_unless_the_context_grows(tmp_path, name, theirs, ours):
    old = make_nemo(tmp_path / "old.nemo", model_part("tiny", **{name: theirs}))
    error = refused(check_checkpoint, model_part("tiny", **{name: ours}), old, KEY)
    assert f"{name} {theirs} (here {ours})" in str(error)
    check_checkpoint(model_part("tiny", max_position_embeddings=1024, **{name: ours}), old, KEY)


OLD = {
    "one rank": (["model_weights.ckpt"], (1, 1)),
    "two tensor ranks": (["mp_rank_00/model_weights.ckpt", "mp_rank_01/model_weights.ckpt"], (2, 1)),
    "two stages": ([f"tp_rank_00_pp_rank_{stage:03d}/model_weights.ckpt" for stage in (0, 1)], (1, 2)),
}


@pytest.mark.parametrize("form", OLD)
def test_a_checkpoint_in_the_old_format_loads_only_as_it_was_cut(nemo, form):
    names, (tensor, pipeline) = OLD[form]
    with tarfile.open(nemo, "a") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(f"./{name}"), io.BytesIO())
    as_cut = {"tensor_model_parallel_size": tensor, "pipeline_model_parallel_size": pipeline}
    check_checkpoint(model_part("tiny", **as_cut, make_vocab_size_divisible_by=256 // tensor), nemo, KEY)
    error = refused(check_checkpoint, model_part("tiny", tensor_model_parallel_size=4), nemo, KEY)
    assert f"the checkpoint is cut for tensor {tensor} x pipeline {pipeline}" in str(error)
    assert "the configuration is for tensor 4 x pipeline 1" in str(error)
    assert error.fix.startswith(
        f"model.tensor_model_parallel_size={tensor} model.pipeline_model_parallel_size={pipeline}"
    )


def test_a_distributed_checkpoint_loads_at_any_cut(nemo):
    with tarfile.open(nemo, "a") as tar:
        tar.addfile(tarfile.TarInfo("./model_weights/common.pt"), io.BytesIO())
    check_checkpoint(model(4, 64), nemo, KEY)


def test_merged_model_is_the_checkpoints_with_ours_laid_over_it(nemo):
    cfg = OmegaConf.create({"model": {"restore_from_path": str(nemo), "hidden_dropout": 0.1}})
    merged = merged_model(cfg, KEY)
    assert (merged.num_layers, merged.hidden_dropout) == (4, 0.1)
