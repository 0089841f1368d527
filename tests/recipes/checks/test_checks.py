"""The three entry points run every check, in an order that costs least."""

import subprocess
import sys

import pytest

from recipes.checks import check_dpo, check_pretrain, check_sft
from tests.recipes.checks.conftest import refused
from tests.training_inputs import make_nemo, model_part

CHECKS = {"cpt": check_pretrain, "sft": check_sft, "dpo": check_dpo}
CHECKPOINT_KEY = {
    "cpt": "model.restore_from_path",
    "sft": "model.restore_from_path",
    "dpo": "pretrained_checkpoint.restore_from_path",
}


@pytest.mark.parametrize("folder", CHECKS)
def test_sound_configurations_pass(tiny, folder):
    CHECKS[folder](tiny(folder), has_gpu=False)


@pytest.mark.parametrize(
    ("folder", "changes", "found"),
    [
        ("cpt", {"trainer.accelerator": "gpu"}, "this machine has none"),
        ("cpt", {"trainer.devices": 3}, "3 devices cannot be divided"),
        ("cpt", {"model.num_query_groups": 3}, "does not divide num_query_groups 3"),
        ("cpt", {"model.micro_batch_size": 5}, "no multiple of 5"),
        ("cpt", {"model.data.seq_length": 512}, "the model has 256 positions"),
        ("cpt", {"trainer.max_steps": -1}, "trainer.max_steps is -1"),
        ("cpt", {"trainer.max_steps": 5}, "leave nothing of 5 steps"),
        ("cpt", {"model.tokenizer.model": "none.model"}, "does not exist"),
        ("cpt", {"model.data.data_prefix": ["none"]}, "no token dataset none"),
        ("sft", {"trainer.accelerator": "gpu"}, "this machine has none"),
        ("sft", {"trainer.devices": 3, "model.tensor_model_parallel_size": 3}, "does not divide num_query_groups 2"),
        ("sft", {"model.data.train_ds.micro_batch_size": 3}, "no multiple of 3"),
        ("sft", {"model.data.validation_ds.global_batch_size": 4, "model.data.train_ds.micro_batch_size": 1,
                 "model.data.validation_ds.micro_batch_size": 1}, "cannot be cut into 8 micro batches"),
        ("sft", {"model.data.train_ds.max_seq_length": 512}, "the model has 256 positions"),
        ("sft", {"model.data.train_ds.file_path": "none.jsonl"}, "no file none.jsonl"),
        ("sft", {"model.data.validation_ds.file_path": "none.jsonl"}, "no file none.jsonl"),
        ("sft", {"model.data.chat": False}, 'no key "input"'),
        ("sft", {"trainer.sft.save_interval": 30}, "does not divide saving every 30"),
        ("dpo", {"trainer.accelerator": "gpu"}, "this machine has none"),
        ("dpo", {"model.global_batch_size": 3}, "no multiple of 2"),
        ("dpo", {"model.data.seq_length": 512}, "the model has 256 positions"),
        ("dpo", {"model.data.data_prefix.test": ["none.jsonl"]}, "no file none.jsonl"),
        ("dpo", {"model.global_batch_size": 16}, "8 examples do not fill one global batch of 16"),
        ("dpo", {"trainer.dpo.max_steps": 3}, "leave nothing of 3 steps"),
    ],
)  # fmt: skip
def test_each_check_is_reached(tiny, folder, changes, found):
    assert found in str(refused(CHECKS[folder], tiny(folder, changes), has_gpu=False))


def test_sequence_parallel_dpo_is_padded(tiny):
    changes = {"trainer.devices": 2, "model.tensor_model_parallel_size": 2, "model.sequence_parallel": True}
    assert "pad_length_to_multiple_of is None" in str(refused(check_dpo, tiny("dpo", changes), has_gpu=False))


@pytest.mark.parametrize("folder", CHECKS)
def test_checkpoint_whose_weights_do_not_fit(tiny, folder):
    error = refused(CHECKS[folder], tiny(folder, {"model.make_vocab_size_divisible_by": 100}), has_gpu=False)
    assert "a vocabulary of 320 is padded to 400 rows, in the checkpoint to 512" in str(error)


@pytest.mark.parametrize("folder", CHECKS)
def test_checkpoint_that_does_not_exist(tiny, folder):
    error = refused(CHECKS[folder], tiny(folder, {CHECKPOINT_KEY[folder]: "none.nemo"}), has_gpu=False)
    assert "the checkpoint none.nemo does not exist" in str(error)
    assert error.where == CHECKPOINT_KEY[folder]


def test_alignment_takes_the_architecture_of_the_checkpoint(tiny, inputs, tmp_path):
    """Six heads in two groups cut over three ranks fail; six groups do not."""
    changes = {"trainer.devices": 3, "model.tensor_model_parallel_size": 3}
    nemo = make_nemo(
        tmp_path / "six.nemo",
        model_part("tiny", num_query_groups=6, make_vocab_size_divisible_by=256, tensor_model_parallel_size=3),
        inputs.tokenizer,
    )
    check_sft(tiny("sft", {**changes, "model.restore_from_path": str(nemo)}), has_gpu=False)


def test_alignment_finds_gpu_settings_the_checkpoint_was_trained_with(tiny, tmp_path):
    nemo = make_nemo(tmp_path / "fused.nemo", model_part("tiny", bias_activation_fusion=True))
    error = refused(check_sft, tiny("sft", {"model.restore_from_path": str(nemo)}), has_gpu=False)
    assert "model.bias_activation_fusion=false" in error.fix


def test_no_training_library_is_imported_before_the_checks_pass():
    code = (
        "import sys; import recipes.config, recipes.checks, recipes.nemo_file, recipes.model_shape; "
        "print(sorted({'torch', 'nemo', 'megatron', 'lightning', 'transformers', 'datatrove'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
