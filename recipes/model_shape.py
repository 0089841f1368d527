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

    Args:
        model: NeMo's `model` section: hidden_size, ffn_hidden_size, num_layers, num_attention_heads and, where
            they differ from NeMo's defaults, num_query_groups, kv_channels, bias, qkv_bias, normalization, activation,
            position_embedding_type and share_embeddings_and_output_weights. NeMo makes as many learned positions as
            encoder_seq_length says.
        padded_vocabulary: Rows of the embedding table, from `padded_vocab_size`.
    """
    return rank_parameters(model, padded_vocabulary, tensor=1, pipeline=1, stage=0)


def rank_parameters(model: Mapping[str, Any], padded_vocabulary: int, *, tensor: int, pipeline: int, stage: int) -> int:
    """Weights on one rank: embedding on the first stage, final norm and output layer on the last, layers on each.

    Tied tables are one tensor on a single stage, a copy each on the first and the last of several.

    Args:
        model: As in `parameter_count`.
        padded_vocabulary: Rows of the whole table.
        tensor: Ranks that share every matrix.
        pipeline: Stages; each holds `num_layers / pipeline` layers, however many virtual ones these are.
        stage: Which of them, from 0.
    """
    hidden = model["hidden_size"]
    layer = _attention(model, tensor) + _feed_forward(model, tensor) + 2 * _norm(model)
    table = padded_vocabulary // tensor * hidden
    count = model["num_layers"] // pipeline * layer
    is_first, is_last = stage == 0, stage == pipeline - 1
    if is_first:
        learned = model.get("position_embedding_type", "learned_absolute") == "learned_absolute"
        count += table + (model["encoder_seq_length"] * hidden if learned else 0)
    if is_last:
        is_tied = model.get("share_embeddings_and_output_weights", True)
        count += _norm(model) + (0 if is_tied and is_first else table)
    return int(count)


def attention_sizes(model: Mapping[str, Any]) -> tuple[int, int]:
    """Width of the queries, and of the keys (and as much for the values), all tensor ranks together."""
    heads = model["num_attention_heads"]
    groups = model.get("num_query_groups") or heads
    channels = model.get("kv_channels") or model["hidden_size"] // heads
    return heads * channels, groups * channels


def is_gated(model: Mapping[str, Any]) -> bool:
    """Whether the activation multiplies two halves of a first matrix that is twice as wide: `swiglu`, `geglu`, ..."""
    return str(model.get("activation", "gelu")).endswith("glu")


def _attention(model: Mapping[str, Any], tensor: int) -> int:
    """Query, key, value and output projections of one layer; a row-parallel bias is whole on every rank."""
    hidden, (query, key) = model["hidden_size"], attention_sizes(model)
    bias = model.get("bias", True)
    first = query + 2 * key
    weights = first * (hidden + (1 if bias or model.get("qkv_bias", False) else 0)) + query * hidden
    return int(weights // tensor + (hidden if bias else 0))


def _feed_forward(model: Mapping[str, Any], tensor: int) -> int:
    """Both feed-forward matrices of one layer."""
    hidden, ffn, bias = model["hidden_size"], model["ffn_hidden_size"], model.get("bias", True)
    first = ffn * (2 if is_gated(model) else 1)
    weights = first * (hidden + (1 if bias else 0)) + ffn * hidden
    return int(weights // tensor + (hidden if bias else 0))


def _norm(model: Mapping[str, Any]) -> int:
    """Weights of one norm: a gain, and a bias unless it is RMSNorm (mcore keeps the bias when `bias` is false)."""
    has_bias = model.get("normalization", "layernorm") != "rmsnorm"
    return int(model["hidden_size"] * (2 if has_bias else 1))
