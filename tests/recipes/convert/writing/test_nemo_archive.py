"""The layout of the archive, with written-out numbers."""

from recipes.convert.architectures import LLAMA
from recipes.convert.architectures.base import Shape
from recipes.convert.architectures.tensors import megatron_tensors
from recipes.convert.writing.hf_weights import parts_of
from recipes.convert.writing.nemo_archive import EMPTY_STATE, cut, plan

SHAPE = Shape(
    layers=2, hidden=8, feed_forward=12, heads=4, groups=2, head_size=2, vocabulary=10, tied=True
)  # 16 rows of query, key and value


def test_tensors_are_cut_into_halves_of_halves():
    assert cut((256_000, 3072), 2, 256 << 20) == [(first, 32_000) for first in range(0, 256_000, 32_000)]
    assert cut((9216, 3072), 2, 256 << 20) == [(0, 9216)]
    assert cut((10,), 4, limit=16) == [(0, 3), (3, 3), (6, 3), (9, 1)]


def test_layers_are_stacked_and_records_follow_one_another():
    laid = plan(megatron_tensors(LLAMA, SHAPE), rows=16, layers=2, dtype="bfloat16")
    assert laid.sizes["model.embedding.word_embeddings.weight"] == (16, 8)
    assert laid.sizes["model.decoder.layers.self_attention.linear_qkv.weight"] == (2, 16, 8)
    assert laid.sizes["model.decoder.layers.mlp.linear_fc1.weight"] == (2, 24, 8)
    qkv = [chunk for chunk in laid.chunks if chunk.key.endswith("linear_qkv.weight")]
    assert [(chunk.start, chunk.shape) for chunk in qkv] == [((0, 0, 0), (1, 16, 8)), ((1, 0, 0), (1, 16, 8))]
    ends = [chunk.offset + chunk.length for chunk in laid.chunks]
    assert [chunk.offset for chunk in laid.chunks] == [0, *ends[:-1]]
    assert laid.size == ends[-1] + 2 * 5 * len(EMPTY_STATE)


def test_a_chunk_is_put_together_from_heads_of_each_group_and_rows_of_padding():
    laid = plan(megatron_tensors(LLAMA, SHAPE), rows=16, layers=2, dtype="bfloat16")
    parts = {chunk.tensor.name: list(parts_of(chunk)) for chunk in laid.chunks}
    layer = "model.layers.1.self_attn."
    assert parts["decoder.layers.1.self_attention.linear_qkv.weight"] == [
        (f"{layer}q_proj.weight", 0, 4),
        (f"{layer}k_proj.weight", 0, 2),
        (f"{layer}v_proj.weight", 0, 2),
        (f"{layer}q_proj.weight", 4, 4),
        (f"{layer}k_proj.weight", 2, 2),
        (f"{layer}v_proj.weight", 2, 2),
    ]
    assert parts["embedding.word_embeddings.weight"] == [("model.embed_tokens.weight", 0, 10), ("", 0, 6)]
