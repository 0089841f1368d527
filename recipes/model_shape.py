"""The arithmetic of a model section: how large its vocabulary and its weights are, before anything is built."""

from collections.abc import Mapping
from typing import Any


def padded_vocab_size(vocabulary: int, divisible_by: int, tensor: int) -> int:
    """Rows of the embedding table once NeMo has padded it.

    Every tensor rank holds an equal share, itself a multiple of `divisible_by`
    (NeMo 2.1.0, megatron_base_model.py, `_vocab_size_with_padding`).

    Args:
        vocabulary: Entries of the tokenizer.
        divisible_by: `model.make_vocab_size_divisible_by`.
        tensor: `model.tensor_model_parallel_size`.
    """
    multiple = divisible_by * tensor
    return -(-vocabulary // multiple) * multiple


def parameter_count(model: Mapping[str, Any], padded_vocabulary: int) -> int:
    """Weights of the mcore GPT model that a `model` section describes, all ranks together.

    Embedding, `num_layers` times (two norms, attention, feed-forward), final norm, output layer.

    Args:
        model: NeMo's `model` section: hidden_size, ffn_hidden_size, num_layers, num_attention_heads and, where
            they differ from NeMo's defaults, num_query_groups, kv_channels, bias, normalization, activation,
            position_embedding_type and share_embeddings_and_output_weights.
        padded_vocabulary: Rows of the embedding table, from `padded_vocab_size`.
    """
    hidden = model["hidden_size"]
    layer = _attention(model) + _feed_forward(model) + 2 * _norm(model)
    untied = not model.get("share_embeddings_and_output_weights", True)
    learned = model.get("position_embedding_type", "learned_absolute") == "learned_absolute"
    positions = model["max_position_embeddings"] if learned else 0
    tables = (padded_vocabulary * (2 if untied else 1) + positions) * hidden
    return int(tables + model["num_layers"] * layer + _norm(model))


def _attention(model: Mapping[str, Any]) -> int:
    """Query, key, value and output projections of one layer; keys and values once a query group."""
    hidden, heads = model["hidden_size"], model["num_attention_heads"]
    groups = model.get("num_query_groups") or heads
    channels = model.get("kv_channels") or hidden // heads
    query, key_value = heads * channels, 2 * groups * channels
    biases = query + key_value + hidden if model.get("bias", True) else 0
    return int(hidden * (query + key_value) + query * hidden + biases)


def _feed_forward(model: Mapping[str, Any]) -> int:
    """Both feed-forward matrices of one layer; a gated activation (`*glu`) doubles the first."""
    hidden, ffn = model["hidden_size"], model["ffn_hidden_size"]
    first = ffn * (2 if str(model.get("activation", "gelu")).endswith("glu") else 1)
    biases = first + hidden if model.get("bias", True) else 0
    return int(hidden * first + ffn * hidden + biases)


def _norm(model: Mapping[str, Any]) -> int:
    """Weights of one norm: a gain, and a bias unless it is RMSNorm (mcore keeps the bias when `bias` is false)."""
    has_bias = model.get("normalization", "layernorm") != "rmsnorm"
    return int(model["hidden_size"] * (2 if has_bias else 1))
