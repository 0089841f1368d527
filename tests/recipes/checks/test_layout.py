"""Model and batches must be divisible as configured; every refusal names sizes that are."""

import pytest
from omegaconf import OmegaConf

from recipes.checks.layout import (
    Layout,
    check_batches,
    check_context,
    check_interleaving,
    check_model_split,
    check_pair_padding,
    check_sequence,
    check_validation_batch,
    layout,
)
from tests.recipes.checks.conftest import refused

BATCH_KEYS = ("model.global_batch_size", "model.micro_batch_size")


def split(tensor: int = 1, pipeline: int = 1, data: int = 1, context: int = 1) -> Layout:
    return Layout(tensor=tensor, pipeline=pipeline, data=data, context=context)


def test_what_tensor_pipeline_and_context_leave_is_data_parallel(tiny):
    changes = {"trainer.devices": 8, "trainer.num_nodes": 2, "model.pipeline_model_parallel_size": 2}
    cut = layout(tiny("cpt", changes))
    assert (cut.tensor, cut.pipeline, cut.data, cut.processes) == (2, 2, 4, 16)
    assert (str(cut), cut.as_dict()) == ("tensor 2 x pipeline 2 x data 4", {"tensor": 2, "pipeline": 2, "data": 4})
    with_context = layout(tiny("cpt", {**changes, "model.context_parallel_size": 2}))
    assert with_context.as_dict() == {"tensor": 2, "pipeline": 2, "data": 2, "context": 2}
    assert with_context.processes == 16


def test_devices_that_cannot_be_divided(tiny):
    error = refused(layout, tiny("cpt", {"trainer.devices": 3, "model.tensor_model_parallel_size": 2}))
    assert "3 devices cannot be divided into groups of 2" in str(error)
    assert "trainer.devices=4" in error.fix
    assert error.exit_code == 2


@pytest.mark.parametrize("value", [0, "two", True, None, 1.5])
def test_devices_that_are_no_number(tiny, value):
    error = refused(layout, tiny("cpt", {"trainer.devices": value}))
    assert f"trainer.devices is {value}" in str(error)
    assert "trainer.devices=1: a whole number from 1 up" in error.fix


def test_global_batch_is_a_multiple_of_micro_batch_and_data_ranks(tiny):
    check_batches(tiny("cpt"), split(data=2), *BATCH_KEYS)
    batches = {"model.global_batch_size": 20, "model.micro_batch_size": 8}
    error = refused(check_batches, tiny("cpt", batches), split(data=2), *BATCH_KEYS)
    assert "a global batch of 20 is no multiple of 8 (micro batch) x 2 (data parallel)" in str(error)
    assert error.fix == "model.global_batch_size=16 or 32\nor model.micro_batch_size=5"


def test_no_micro_batch_can_mend_a_batch_the_ranks_do_not_divide(tiny):
    batches = {"model.global_batch_size": 7, "model.micro_batch_size": 8}
    error = refused(check_batches, tiny("cpt", batches), split(data=2), *BATCH_KEYS)
    assert error.fix == "model.global_batch_size=16"


def test_validation_batch_is_cut_as_the_training_batch(tiny):
    changed = tiny("sft", {"model.data.validation_ds.global_batch_size": 3})
    error = refused(check_validation_batch, changed, split())
    assert "a validation batch of 3 cannot be cut into 2 micro batches" in str(error)
    assert error.fix == "model.data.validation_ds.global_batch_size=4"


@pytest.mark.parametrize(
    ("tensor", "named"), [(4, "num_attention_heads 6, num_query_groups 2"), (3, "num_query_groups 2")]
)
def test_heads_and_query_groups_divide_by_the_tensor_size(tiny, tensor, named):
    error = refused(check_model_split, tiny("cpt").model, split(tensor=tensor))
    assert f"tensor parallel size {tensor} does not divide {named}" in str(error)
    assert error.fix == "model.tensor_model_parallel_size=1 or 2"


@pytest.mark.parametrize("name", ["hidden_size", "ffn_hidden_size"])
def test_matrices_divide_by_the_tensor_size(tiny, name):
    error = refused(check_model_split, tiny("cpt", {f"model.{name}": 195}).model, split(tensor=2))
    assert f"tensor parallel size 2 does not divide {name} 195" in str(error)
    assert error.fix == "model.tensor_model_parallel_size=1"


def test_layers_divide_by_the_pipeline_stages(tiny):
    check_model_split(tiny("cpt").model, split(pipeline=4))
    error = refused(check_model_split, tiny("cpt").model, split(pipeline=3))
    assert "4 layers cannot be cut into 3 equal pipeline stages" in str(error)
    assert error.fix == "model.pipeline_model_parallel_size=1 or 2 or 4"
    virtual = tiny("cpt", {"model.virtual_pipeline_model_parallel_size": 4}).model
    assert "into 8 equal" in str(refused(check_model_split, virtual, split(pipeline=2)))


def test_sequence_fits_the_positions(tiny):
    error = refused(check_sequence, tiny("cpt").model, 512, "model.data.seq_length")
    assert "sequences of 512 tokens, but the model has 256 positions" in str(error)
    assert error.fix.startswith("model.encoder_seq_length=256")


def test_sequence_parallel_needs_tensor_ranks_that_share_the_sequence(tiny):
    alone = tiny("cpt", {"model.sequence_parallel": True, "model.tensor_model_parallel_size": 1})
    error = refused(check_sequence, alone.model, 256, "model.data.seq_length")
    assert "without tensor parallelism" in str(error)
    assert "model.sequence_parallel=false" in error.fix
    shared = tiny("cpt", {"model.sequence_parallel": True}).model
    check_sequence(shared, 256, "model.data.seq_length")
    error = refused(check_sequence, shared, 255, "model.data.seq_length")
    assert "sequences of 255 tokens cannot be shared by 2 tensor ranks" in str(error)
    assert error.fix.startswith("model.encoder_seq_length=254")


@pytest.mark.parametrize("multiple", [None, 3])
def test_pairs_are_padded_to_what_the_tensor_ranks_can_share(tiny, multiple):
    changes = {"model.sequence_parallel": True, "model.data.pad_length_to_multiple_of": multiple}
    error = refused(check_pair_padding, tiny("dpo", changes), split(tensor=2))
    assert f"pad_length_to_multiple_of is {multiple}" in str(error)
    assert error.fix.startswith("model.data.pad_length_to_multiple_of=16")
    check_pair_padding(tiny("dpo", {**changes, "model.data.pad_length_to_multiple_of": 16}), split(tensor=2))
    check_pair_padding(tiny("dpo", {"model.data.pad_length_to_multiple_of": None}), split(tensor=2))


def test_a_checkpoint_without_query_groups_is_checked_by_its_heads():
    model = OmegaConf.create({"num_attention_heads": 6, "hidden_size": 192, "ffn_hidden_size": 576, "num_layers": 4})
    check_model_split(model, split(tensor=3))


VIRTUAL = {"model.virtual_pipeline_model_parallel_size": 2, "model.global_batch_size": 16, "model.micro_batch_size": 4}
OVERLAP = {"model.overlap_p2p_comm": True, "model.batch_p2p_comm": False}


def test_virtual_stages_need_ranks_to_take_turns_on(tiny):
    error = refused(check_interleaving, tiny("cpt", VIRTUAL), split())
    assert "2 virtual stages on 1 pipeline rank" in str(error)
    assert error.fix == "model.virtual_pipeline_model_parallel_size=null"
    check_interleaving(tiny("cpt", {"model.virtual_pipeline_model_parallel_size": 1}), split())


def test_two_ranks_interleave_only_with_overlapping_messages(tiny):
    """Seen with megatron-core 0.10.0: with its defaults the gradient norm is 4.8e6."""
    error = refused(check_interleaving, tiny("cpt", VIRTUAL), split(pipeline=2))
    assert "two ranks would send both ways in one batch of messages" in str(error)
    assert error.fix.endswith("or model.overlap_p2p_comm=true model.batch_p2p_comm=false")
    check_interleaving(tiny("cpt", {**VIRTUAL, **OVERLAP}), split(pipeline=2))
    check_interleaving(tiny("cpt", VIRTUAL), split(pipeline=4))


def test_micro_batches_come_in_whole_rounds(tiny):
    changes = {**VIRTUAL, **OVERLAP, "model.global_batch_size": 12}
    error = refused(check_interleaving, tiny("cpt", changes), split(pipeline=2))
    assert "3 micro batches a rank are no multiple of 2 pipeline ranks" in str(error)
    assert error.fix.startswith("model.global_batch_size=16\n")


def test_context_ranks_need_transformer_engine_and_a_sequence_in_two_pieces_each(tiny):
    error = refused(check_context, tiny("cpt").model, split(context=2), 256, "model.data.seq_length")
    assert "context parallel size 2 without Transformer Engine" in str(error)
    assert error.fix == "model.context_parallel_size=1"
    fused = tiny("cpt", {"model.transformer_engine": True}).model
    check_context(fused, split(context=2), 256, "model.data.seq_length")
    check_context(tiny("cpt").model, split(), 255, "model.data.seq_length")
    error = refused(check_context, fused, split(context=2), 250, "model.data.seq_length")
    assert "sequences of 250 tokens cannot be cut into 4 pieces" in str(error)
    assert error.fix.startswith("model.encoder_seq_length=248\n")
