"""Weights are counted as mcore builds them."""

import pytest

from recipes.model_shape import padded_vocab_size, parameter_count

PLAIN = {
    "num_layers": 1,
    "hidden_size": 4,
    "ffn_hidden_size": 8,
    "num_attention_heads": 2,
    "encoder_seq_length": 16,
}


@pytest.mark.parametrize(
    ("vocabulary", "divisible_by", "tensor", "rows"),
    [(256_000, 128, 2, 256_000), (4096, 128, 1, 4096), (400, 128, 1, 512), (513, 128, 4, 1024)],
)
def test_vocabulary_is_padded_for_every_tensor_rank(vocabulary, divisible_by, tensor, rows):
    assert padded_vocab_size(vocabulary, divisible_by, tensor) == rows


def test_gpt_with_upstreams_defaults():
    """Tied, learned positions, biases, one key head a head: attention 80, feed-forward 76, norms 3 x 8."""
    assert parameter_count(PLAIN, 10) == (10 + 16) * 4 + (4 * 12 + 4 * 4 + 16) + (2 * 4 * 8 + 12) + 3 * 8


def test_gated_activation_doubles_the_first_matrix():
    assert parameter_count({**PLAIN, "activation": "swiglu"}, 10) - parameter_count(PLAIN, 10) == 4 * 8 + 8


def test_rmsnorm_has_no_bias():
    assert parameter_count(PLAIN, 10) - parameter_count({**PLAIN, "normalization": "rmsnorm"}, 10) == 3 * 4


def test_a_model_that_was_built():
    """The spike's model, as NeMo counted it: layernorm1p, squared ReLU, two query groups, untied, vocabulary 512."""
    model = {
        "num_layers": 2, "hidden_size": 64, "ffn_hidden_size": 128, "num_attention_heads": 4, "num_query_groups": 2,
        "bias": False, "normalization": "layernorm1p", "activation": "squared-relu", "position_embedding_type": "rope",
        "share_embeddings_and_output_weights": False,
    }  # fmt: skip
    assert parameter_count(model, 512) == 123_520
