"""Which rows become which, on numbers written out."""

from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, NemotronConfig, NemotronForCausalLM

from data_prep.errors import DataError
from recipes.convert.architectures import LLAMA, NEMOTRON
from recipes.convert.architectures.base import Shape
from recipes.convert.architectures.tensors import check_tensors, hf_tensors, megatron_tensors

SHAPE = Shape(layers=2, hidden=4, feed_forward=5, heads=4, groups=2, head_size=2, vocabulary=6)
QKV = "decoder.layers.0.self_attention.linear_qkv.weight"


def rows(architecture, name: str, shape: Shape = SHAPE) -> tuple[tuple[int, int], ...]:
    return next(tensor.rows for tensor in hf_tensors(architecture, shape) if tensor.name == name)


def test_fused_weight_is_taken_apart_group_by_group():
    """Four query heads of two rows in two groups: q0 q1 k0 v0 q2 q3 k1 v1."""
    parts = [rows(NEMOTRON, f"model.layers.0.self_attn.{part}_proj.weight") for part in "qkv"]
    assert parts == [((0, 4), (8, 4)), ((4, 2), (12, 2)), ((6, 2), (14, 2))]


def test_the_gate_stands_before_the_rows_it_gates():
    assert rows(LLAMA, "model.layers.1.mlp.gate_proj.weight") == ((0, 5),)
    assert rows(LLAMA, "model.layers.1.mlp.up_proj.weight") == ((5, 5),)
    assert rows(NEMOTRON, "model.layers.1.mlp.up_proj.weight") == ((0, 5),)


def test_padding_of_the_vocabulary_is_left_out():
    assert rows(LLAMA, "model.embed_tokens.weight") == rows(LLAMA, "lm_head.weight") == ((0, 6),)


def test_a_tied_head_is_no_tensor_of_its_own():
    names = {tensor.name for tensor in hf_tensors(LLAMA, replace(SHAPE, tied=True))}
    assert "lm_head.weight" not in names
    assert "model.embed_tokens.weight" in names


@pytest.mark.parametrize("is_tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize(
    ("architecture", "config", "model"),
    [(NEMOTRON, NemotronConfig, NemotronForCausalLM), (LLAMA, LlamaConfig, LlamaForCausalLM)],
    ids=["nemotron", "llama"],
)
def test_every_parameter_of_the_transformers_model_has_a_source(architecture, config, model, is_tied):
    shape = replace(SHAPE, tied=is_tied)
    section = {"hidden_size": 4, "num_attention_heads": 4, "kv_channels": 2, "encoder_seq_length": 8}
    built = model(config(**architecture.hf_config(section, shape, {})))
    expected = {name: tuple(tensor.shape) for name, tensor in built.named_parameters()}
    assert {tensor.name: tensor.shape for tensor in hf_tensors(architecture, shape)} == expected


@pytest.mark.parametrize("architecture", [NEMOTRON, LLAMA], ids=["nemotron", "llama"])
def test_the_other_direction_puts_back_together_what_was_taken_apart(architecture):
    tensors = megatron_tensors(architecture, SHAPE)
    megatron = {tensor.name: torch.randn(tensor.shape) for tensor in tensors}
    hf = {
        each.name: torch.cat([megatron[each.source][first : first + count] for first, count in each.rows])
        for each in hf_tensors(architecture, SHAPE)
    }
    for tensor in tensors:
        parts = [hf[part.name][part.theirs : part.theirs + part.count] for part in tensor.parts]
        assert torch.equal(torch.cat(parts), megatron[tensor.name]), tensor.name


def test_what_tensor_parallelism_cuts():
    cuts = {tensor.name.rsplit("layers.0.", 1)[-1]: tensor.split for tensor in megatron_tensors(LLAMA, SHAPE)}
    assert (cuts["mlp.linear_fc1.weight"], cuts["mlp.linear_fc2.weight"]) == (0, 1)
    assert (cuts["self_attention.linear_qkv.weight"], cuts["self_attention.linear_proj.weight"]) == (0, 1)
    assert (cuts["embedding.word_embeddings.weight"], cuts["output_layer.weight"]) == (0, 0)
    assert cuts["mlp.linear_fc1.layer_norm_weight"] is None


@pytest.mark.parametrize(
    ("architecture", "shape", "tensors", "weights"),
    [
        (
            NEMOTRON,
            Shape(layers=32, hidden=3072, feed_forward=9216, heads=24, groups=8, head_size=128, vocabulary=256_000),
            324,
            4_190_509_056,
        ),
        (
            LLAMA,
            Shape(
                layers=16,
                hidden=2048,
                feed_forward=8192,
                heads=32,
                groups=8,
                head_size=64,
                vocabulary=128_256,
                tied=True,
            ),
            146,
            1_235_814_400,
        ),
    ],
    ids=["Nemotron-Mini-4B", "Llama-3.2-1B"],
)
def test_published_models_have_their_published_size(architecture, shape, tensors, weights):
    found = hf_tensors(architecture, shape)
    assert (len(found), sum(torch.Size(each.shape).numel() for each in found)) == (tensors, weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output_layer.weight": None}, "output_layer.weight is missing"),
        (
            {"decoder.layers.1.mlp.linear_fc1.weight": (6, 4)},
            r"linear_fc1.weight has shape \[6, 4\], expected \[5, 4\]",
        ),
        ({"embedding.word_embeddings.weight": (5, 4)}, r"word_embeddings.weight has shape \[5, 4\], expected \[6, 4\]"),
        (
            {"decoder.layers.0.mlp.linear_fc1.bias": (5,)},
            "with these settings: .*fc1.bias is no part of it",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, message):
    found = {tensor.name: tensor.shape for tensor in megatron_tensors(NEMOTRON, SHAPE)} | change
    with pytest.raises(DataError, match=message):
        check_tensors({name: size for name, size in found.items() if size}, NEMOTRON, SHAPE, "x.nemo")


def test_padded_tables_fit():
    found = {tensor.name: tensor.shape for tensor in megatron_tensors(NEMOTRON, SHAPE)}
    padded = dict.fromkeys(("embedding.word_embeddings.weight", "output_layer.weight"), (128, 4))
    check_tensors({**found, **padded}, NEMOTRON, SHAPE, "x.nemo")
    assert found[QKV] == (16, 4)
