"""Megatron-core Nemotron to Hugging Face NemotronForCausalLM: which tensor becomes which, and the settings.

Nothing is computed: norms hold the same zero-centred gain on both sides (both add the 1 when they run), rotary
embeddings rotate the same halves, squared ReLU is `relu2`. Only the fused query-key-value weight is taken apart
and the padding of the vocabulary is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from data_prep.errors import DataError, UsageError

Part = Literal["whole", "query", "key", "value", "vocabulary"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a Nemotron model.

    Attributes:
        layers: Transformer layers.
        hidden: Width of the residual stream.
        feed_forward: Width inside the MLP.
        heads: Query heads.
        groups: Query groups, that is key and value heads.
        head_size: Width of one head.
        vocabulary: Entries of the tokenizer; the checkpoint may have more rows (padding).
    """

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    groups: int
    head_size: int
    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """A Hugging Face tensor and where it comes from."""

    name: str
    shape: tuple[int, ...]
    source: str
    part: Part = "whole"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A setting the conversion relies on.

    Attributes:
        allowed: Values with which NemotronForCausalLM computes the same.
        default: What NeMo 2.1 takes where the setting is absent.
    """

    allowed: tuple[object, ...]
    default: object


REQUIREMENTS: dict[str, Requirement] = {
    "mcore_gpt": Requirement(allowed=(True,), default=False),
    "normalization": Requirement(allowed=("layernorm1p",), default="layernorm"),
    "activation": Requirement(allowed=("squared-relu",), default="gelu"),
    "bias": Requirement(allowed=(False,), default=True),
    "position_embedding_type": Requirement(allowed=("rope",), default="learned_absolute"),
    "rotary_interleaved": Requirement(allowed=(False,), default=False),
    "seq_len_interpolation_factor": Requirement(allowed=(None, 1), default=None),
    "share_embeddings_and_output_weights": Requirement(allowed=(False,), default=True),
    "transformer_block_type": Requirement(allowed=("pre_ln",), default="pre_ln"),
    "num_moe_experts": Requirement(allowed=(None, 1), default=None),
    "qk_layernorm": Requirement(allowed=(False,), default=False),
    "window_size": Requirement(allowed=(None,), default=None),
}


def check_architecture(config: Mapping[str, Any], where: str) -> None:
    """Raises UsageError unless NemotronForCausalLM computes what the model of these settings does."""
    wrong = [
        f"{key}={config.get(key, rule.default)} (must be {rule.allowed[0]})"
        for key, rule in REQUIREMENTS.items()
        if config.get(key, rule.default) not in rule.allowed
    ]
    if wrong:
        raise UsageError(
            f"this is not a Nemotron model: {', '.join(wrong)}",
            where=where,
            why="NemotronForCausalLM has no such variant; the converted model would compute something else",
            fix="convert a model trained with nemo_configs/model/*, or use NeMo's converter for its architecture",
        )


def read_shape(config: Mapping[str, Any], vocabulary: int) -> Shape:
    """The sizes that NeMo's `model` section describes; absent groups and head size follow NeMo's defaults."""
    heads = config["num_attention_heads"]
    return Shape(
        layers=config["num_layers"],
        hidden=config["hidden_size"],
        feed_forward=config["ffn_hidden_size"],
        heads=heads,
        groups=config.get("num_query_groups") or heads,
        head_size=config.get("kv_channels") or config["hidden_size"] // heads,
        vocabulary=vocabulary,
    )


def max_positions(config: Mapping[str, Any]) -> int:
    """Tokens the model was trained to take."""
    return int(config.get("max_position_embeddings") or config["encoder_seq_length"])


def plan(shape: Shape) -> list[Target]:
    """Every tensor of the Hugging Face model, in the order its files hold them."""
    table = (shape.vocabulary, shape.hidden)
    embedding = Target(
        name="model.embed_tokens.weight",
        shape=table,
        source="embedding.word_embeddings.weight",
        part="vocabulary",
    )
    head = Target(name="lm_head.weight", shape=table, source="output_layer.weight", part="vocabulary")
    layers = (target for layer in range(shape.layers) for target in _layer(shape, layer))
    return [embedding, *layers, *_norm("model.norm.", "decoder.final_layernorm.", shape.hidden), head]


def _layer(shape: Shape, layer: int) -> Iterator[Target]:
    ours, theirs = f"model.layers.{layer}.", f"decoder.layers.{layer}."
    query, key_value = shape.heads * shape.head_size, shape.groups * shape.head_size
    attention, mlp = f"{theirs}self_attention.", f"{theirs}mlp."
    # The norm before a linear layer is stored with it, as Transformer Engine fuses them.
    yield from _norm(f"{ours}input_layernorm.", f"{attention}linear_qkv.layer_norm_", shape.hidden)
    parts: tuple[tuple[str, Part, int], ...] = (
        ("q_proj", "query", query),
        ("k_proj", "key", key_value),
        ("v_proj", "value", key_value),
    )
    for name, part, rows in parts:
        yield Target(
            name=f"{ours}self_attn.{name}.weight",
            shape=(rows, shape.hidden),
            source=f"{attention}linear_qkv.weight",
            part=part,
        )
    yield Target(
        name=f"{ours}self_attn.o_proj.weight",
        shape=(shape.hidden, query),
        source=f"{attention}linear_proj.weight",
    )
    yield from _norm(f"{ours}post_attention_layernorm.", f"{mlp}linear_fc1.layer_norm_", shape.hidden)
    up, down = (shape.feed_forward, shape.hidden), (shape.hidden, shape.feed_forward)
    yield Target(name=f"{ours}mlp.up_proj.weight", shape=up, source=f"{mlp}linear_fc1.weight")
    yield Target(name=f"{ours}mlp.down_proj.weight", shape=down, source=f"{mlp}linear_fc2.weight")


def _norm(ours: str, theirs: str, hidden: int) -> Iterator[Target]:
    for name in ("weight", "bias"):
        yield Target(name=ours + name, shape=(hidden,), source=theirs + name)


def take(part: Part, tensor: Tensor, shape: Shape) -> Tensor:
    """The part of a megatron-core tensor that one Hugging Face tensor holds.

    The fused weight has, for each query group in turn, the rows of the group's query heads, of its key head and of
    its value head (megatron-core 0.10.0, transformer/attention.py, `get_query_key_value_tensors`).

    Args:
        part: Which part.
        tensor: The whole source tensor, padded vocabulary included.
        shape: Sizes of the model.
    """
    if part == "whole":
        return tensor
    if part == "vocabulary":
        return tensor[: shape.vocabulary]
    queries = shape.heads // shape.groups
    fused = tensor.view(shape.groups, queries + 2, shape.head_size, shape.hidden)
    heads = {"query": slice(0, queries), "key": slice(queries, queries + 1), "value": slice(queries + 1, None)}
    return fused[:, heads[part]].reshape(-1, shape.hidden)


def source_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Shape of every megatron-core tensor; tables of the vocabulary without their padding."""
    shapes: dict[str, tuple[int, ...]] = {}
    for target in plan(shape):
        rows = shapes.get(target.source, (0,))[0] + target.shape[0]
        shapes[target.source] = (rows, *target.shape[1:])
    return shapes


def check_tensors(found: Mapping[str, tuple[int, ...]], shape: Shape, where: str) -> None:
    """Raises unless a checkpoint holds exactly the tensors of a Nemotron model of this shape.

    Args:
        found: Shape of every tensor of the checkpoint.
        shape: What its settings and tokenizer say.
        where: Names the checkpoint in errors.

    Raises:
        DataError: A tensor is missing, has another shape, or is of no Nemotron model.
    """
    expected = source_shapes(shape)
    missing = [f"{name} is missing" for name in expected if name not in found]
    unknown = [f"{name} is no part of a Nemotron model" for name in found if name not in expected]
    wrong = [
        f"{name} has shape {list(found[name])}, expected {list(size)}"
        for name, size in expected.items()
        if name in found and not _fits(name, found[name], size)
    ]
    faults = [*missing, *wrong, *unknown]
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise DataError(
            f"the weights are not those of a Nemotron model with these settings: {'; '.join(faults[:3])}{more}",
            where=where,
            why="a model with a wrong or left-out tensor computes something else",
            fix="check that model_config.yaml and the weights are of the same run",
        )


def _fits(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether a tensor has its size; tables of the vocabulary may have more rows."""
    if name in ("embedding.word_embeddings.weight", "output_layer.weight"):
        return found[0] >= expected[0] and found[1:] == expected[1:]
    return found == expected


def hf_config(config: Mapping[str, Any], shape: Shape, token_ids: Mapping[str, int | None]) -> dict[str, Any]:
    """config.json of the converted model, without the dtype.

    `rope_theta` and `partial_rotary_factor` stand at the top level: transformers 4 and 5 both read them there, and 4
    ignores 5's nested form without a word.

    Args:
        config: NeMo's `model` section.
        shape: Its sizes.
        token_ids: bos_token_id, eos_token_id and pad_token_id of the tokenizer.
    """
    return {
        "architectures": ["NemotronForCausalLM"],
        "model_type": "nemotron",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.groups,
        "head_dim": shape.head_size,
        "kv_channels": shape.head_size,
        "hidden_act": "relu2",
        "norm_eps": config.get("layernorm_epsilon", 1e-5),
        "rope_theta": float(config.get("rotary_base") or 10000),
        "partial_rotary_factor": float(config.get("rotary_percentage", 1.0)),
        "max_position_embeddings": max_positions(config),
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": config.get("init_method_std", 0.02),
        "tie_word_embeddings": False,
        "use_cache": True,
        **token_ids,
    }
