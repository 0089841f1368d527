"""The mapping between megatron-core's and transformers' Nemotron, on numbers written out."""

import pytest
import torch
from transformers import NemotronConfig, NemotronForCausalLM

from data_prep.errors import DataError, UsageError
from recipes.convert import nemotron
from recipes.convert.nemotron import Shape, check_architecture, check_tensors, hf_config, plan, read_shape, take

SHAPE = Shape(layers=2, hidden=3, feed_forward=5, heads=4, groups=2, head_size=1, vocabulary=4)
NEMOTRON = {
    "mcore_gpt": True,
    "num_layers": 2,
    "hidden_size": 8,
    "ffn_hidden_size": 20,
    "num_attention_heads": 4,
    "num_query_groups": 2,
    "kv_channels": 6,
    "encoder_seq_length": 64,
    "normalization": "layernorm1p",
    "activation": "squared-relu",
    "bias": False,
    "position_embedding_type": "rope",
    "rotary_percentage": 0.5,
    "share_embeddings_and_output_weights": False,
}
TOKEN_IDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}


def test_fused_weight_is_taken_apart_group_by_group():
    """Four query heads of one row each in two groups: q0 q1 k0 v0 q2 q3 k1 v1."""
    rows = torch.tensor([0, 1, 10, 20, 2, 3, 11, 21])
    fused = rows[:, None].expand(8, 3).contiguous()
    assert take("query", fused, SHAPE)[:, 0].tolist() == [0, 1, 2, 3]
    assert take("key", fused, SHAPE)[:, 0].tolist() == [10, 11]
    assert take("value", fused, SHAPE)[:, 0].tolist() == [20, 21]


def test_heads_of_several_rows_stay_together():
    shape = Shape(layers=1, hidden=1, feed_forward=1, heads=1, groups=1, head_size=2, vocabulary=1)
    fused = torch.tensor([[1], [2], [3], [4], [5], [6]])
    assert [take(part, fused, shape).flatten().tolist() for part in ("query", "key", "value")] == [
        [1, 2],
        [3, 4],
        [5, 6],
    ]


def test_padding_of_the_vocabulary_is_left_out():
    padded = torch.arange(6)[:, None].expand(6, 3)
    assert take("vocabulary", padded, SHAPE)[:, 0].tolist() == [0, 1, 2, 3]


def test_norm_gain_is_copied_as_it_is():
    """Both sides store it zero-centred and add the 1 when they run."""
    gain = torch.tensor([0.0, -0.5, 0.25])
    assert torch.equal(take("whole", gain, SHAPE), gain)


def test_plan_names_every_tensor_of_the_transformers_model():
    shape = read_shape(NEMOTRON, 10)
    model = NemotronForCausalLM(NemotronConfig(**hf_config(NEMOTRON, shape, TOKEN_IDS)))
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert {target.name: target.shape for target in plan(shape)} == expected


def test_four_billion_shape_has_the_published_size():
    shape = Shape(layers=32, hidden=3072, feed_forward=9216, heads=24, groups=8, head_size=128, vocabulary=256_000)
    targets = plan(shape)
    assert len(targets) == 324
    assert sum(torch.Size(target.shape).numel() for target in targets) == 4_190_509_056


def test_settings_are_read_back_by_transformers():
    config = NemotronConfig(**hf_config({**NEMOTRON, "rotary_base": 500_000}, read_shape(NEMOTRON, 10), TOKEN_IDS))
    found = (config.rope_theta, config.partial_rotary_factor, config.head_dim, config.num_key_value_heads)
    assert found == (500_000.0, 0.5, 6, 2)
    assert (config.hidden_act, config.norm_eps, config.tie_word_embeddings) == ("relu2", 1e-5, False)
    assert (config.bos_token_id, config.eos_token_id, config.max_position_embeddings) == (2, 3, 64)


def test_absent_groups_mean_one_per_head():
    """NeMo writes null, by which transformers would divide."""
    shape = read_shape({**NEMOTRON, "num_query_groups": None, "kv_channels": None}, 10)
    assert (shape.groups, shape.head_size) == (4, 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activation", "fast-swiglu"),
        ("normalization", "rmsnorm"),
        ("bias", True),
        ("share_embeddings_and_output_weights", True),
        ("position_embedding_type", "learned_absolute"),
        ("seq_len_interpolation_factor", 4),
        ("num_moe_experts", 8),
    ],
)
def test_another_architecture_is_refused_by_name(key, value):
    with pytest.raises(UsageError, match=f"not a Nemotron model: {key}={value}"):
        check_architecture({**NEMOTRON, key: value}, "x.nemo")


def test_absent_settings_count_as_upstreams_defaults():
    with pytest.raises(UsageError, match=r"bias=True \(must be False\)"):
        check_architecture({key: value for key, value in NEMOTRON.items() if key != "bias"}, "x.nemo")
    check_architecture(NEMOTRON, "x.nemo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output_layer.weight": None}, "output_layer.weight is missing"),
        (
            {"decoder.layers.1.mlp.linear_fc1.weight": (6, 3)},
            r"linear_fc1.weight has shape \[6, 3\], expected \[5, 3\]",
        ),
        ({"embedding.word_embeddings.weight": (3, 3)}, r"word_embeddings.weight has shape \[3, 3\], expected \[4, 3\]"),
        ({"decoder.layers.0.mlp.linear_fc1.bias": (5,)}, "linear_fc1.bias is no part of a Nemotron model"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, message):
    found = {**nemotron.source_shapes(SHAPE), **change}
    with pytest.raises(DataError, match=message):
        check_tensors({name: size for name, size in found.items() if size}, SHAPE, "x.nemo")


def test_padded_tables_fit():
    found = {**nemotron.source_shapes(SHAPE), "embedding.word_embeddings.weight": (128, 3)}
    check_tensors({**found, "output_layer.weight": (128, 3)}, SHAPE, "x.nemo")
    assert found["decoder.layers.0.self_attention.linear_qkv.weight"] == (8, 3)
