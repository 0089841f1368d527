"""Which rows of which Megatron tensor are which Hugging Face tensor.

Every Hugging Face tensor is a list of row ranges of one Megatron tensor, one after the other: the whole tensor, the
query rows of each group out of the fused query-key-value weight, the gate out of linear_fc1, the vocabulary without
its padding. `hf_tensors` gives this list; `megatron_tensors` is the same read the other way round.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from data_prep.errors import DataError
from recipes.convert.architectures.base import Architecture, Shape

EMBEDDING = "embedding.word_embeddings.weight"
OUTPUT = "output_layer.weight"


@dataclass(frozen=True, kw_only=True)
class HfTensor:
    """A Hugging Face tensor and where its rows come from.

    Attributes:
        name: In transformers.
        shape: Its shape.
        source: The megatron-core tensor, without wrapper prefix, as torch_dist names it.
        rows: (first row, number of rows) of the source, in this tensor's order; elements where it has one dimension.
    """

    name: str
    shape: tuple[int, ...]
    source: str
    rows: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows of a Hugging Face tensor that stand together in a Megatron tensor."""

    first: int
    """Row of the Megatron tensor."""
    count: int
    name: str
    """The Hugging Face tensor."""
    theirs: int
    """Its first row."""


@dataclass(frozen=True, kw_only=True)
class MegatronTensor:
    """A megatron-core tensor put together from Hugging Face tensors.

    Attributes:
        name: Without wrapper prefix, as torch_dist names it; `decoder.layers.N.` for a layer's.
        shape: Its shape; the tables of the vocabulary without padding.
        parts: Cover all rows, in order.
        split: The dimension that tensor parallelism cuts; None for norms, which every rank holds whole.
        is_padded: Whether rows of padding follow, as many as the tensor parallel size wants.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    split: int | None
    is_padded: bool


def hf_tensors(architecture: Architecture, shape: Shape) -> list[HfTensor]:
    """Every tensor of the Hugging Face model, in the order its files hold them."""
    table = (shape.vocabulary, shape.hidden)
    embedding = _whole("model.embed_tokens.weight", EMBEDDING, table)
    layers = (tensor for layer in range(shape.layers) for tensor in _layer(architecture, shape, layer))
    norm = _norm(architecture, "model.norm.", "decoder.final_layernorm.", shape.hidden)
    head = [] if shape.tied else [_whole("lm_head.weight", OUTPUT, table)]
    return [embedding, *layers, *norm, *head]


def _layer(architecture: Architecture, shape: Shape, layer: int) -> Iterator[HfTensor]:
    ours, theirs = f"model.layers.{layer}.", f"decoder.layers.{layer}."
    attention, mlp = f"{theirs}self_attention.", f"{theirs}mlp."
    # The norm before a linear layer is stored with it, as Transformer Engine fuses them.
    yield from _norm(architecture, f"{ours}input_layernorm.", f"{attention}linear_qkv.layer_norm_", shape.hidden)
    yield from _query_key_value(shape, f"{ours}self_attn.", f"{attention}linear_qkv.weight")
    square = (shape.hidden, shape.heads * shape.head_size)
    yield _whole(f"{ours}self_attn.o_proj.weight", f"{attention}linear_proj.weight", square)
    norm = f"{ours}post_attention_layernorm."
    yield from _norm(architecture, norm, f"{mlp}linear_fc1.layer_norm_", shape.hidden)
    up = (shape.feed_forward, shape.hidden)
    # megatron-core 0.10.0, transformer/mlp.py: the first half of a gated linear_fc1 goes through the activation.
    for number, name in enumerate(("gate_proj", "up_proj") if architecture.is_gated else ("up_proj",)):
        rows = ((number * shape.feed_forward, shape.feed_forward),)
        yield HfTensor(name=f"{ours}mlp.{name}.weight", shape=up, source=f"{mlp}linear_fc1.weight", rows=rows)
    yield _whole(f"{ours}mlp.down_proj.weight", f"{mlp}linear_fc2.weight", up[::-1])


def _query_key_value(shape: Shape, ours: str, source: str) -> Iterator[HfTensor]:
    """The fused weight has, for each group in turn, the rows of its query heads, of its key and of its value head.

    megatron-core 0.10.0, transformer/attention.py, `get_query_key_value_tensors`.
    """
    queries, size = shape.heads // shape.groups, shape.head_size
    block = (queries + 2) * size
    for name, offset, heads in (("q_proj", 0, queries), ("k_proj", queries, 1), ("v_proj", queries + 1, 1)):
        rows = tuple((group * block + offset * size, heads * size) for group in range(shape.groups))
        width = (shape.groups * heads * size, shape.hidden)
        yield HfTensor(name=f"{ours}{name}.weight", shape=width, source=source, rows=rows)


def _norm(architecture: Architecture, ours: str, theirs: str, hidden: int) -> Iterator[HfTensor]:
    for part in architecture.norm_parts:
        yield _whole(ours + part, theirs + part, (hidden,))


def _whole(name: str, source: str, shape: tuple[int, ...]) -> HfTensor:
    return HfTensor(name=name, shape=shape, source=source, rows=((0, shape[0]),))


def megatron_tensors(architecture: Architecture, shape: Shape) -> list[MegatronTensor]:
    """Every tensor of the Megatron model, embedding first, each with the Hugging Face rows it is made of."""
    parts: dict[str, list[Part]] = {}
    widths: dict[str, tuple[int, ...]] = {}
    for tensor in hf_tensors(architecture, shape):
        theirs = 0
        for first, count in tensor.rows:
            part = Part(first=first, count=count, name=tensor.name, theirs=theirs)
            parts.setdefault(tensor.source, []).append(part)
            theirs += count
        widths[tensor.source] = tensor.shape[1:]
    return [
        MegatronTensor(
            name=name,
            shape=(sum(part.count for part in found), *widths[name]),
            parts=tuple(sorted(found, key=lambda part: part.first)),
            split=split_dimension(name),
            is_padded=name in (EMBEDDING, OUTPUT),
        )
        for name, found in parts.items()
    ]


def split_dimension(name: str) -> int | None:
    """The dimension of a Megatron tensor that tensor parallelism cuts."""
    if name.endswith(("linear_proj.weight", "linear_fc2.weight")):
        return 1
    return 0 if name.endswith(("linear_qkv.weight", "linear_fc1.weight", EMBEDDING, OUTPUT)) else None


def check_tensors(found: Mapping[str, tuple[int, ...]], architecture: Architecture, shape: Shape, where: str) -> None:
    """Raises unless a checkpoint holds exactly the tensors of a model of this architecture and shape.

    Args:
        found: Shape of every tensor of the checkpoint.
        architecture: What its settings say it is.
        shape: What its settings and tokenizer say.
        where: Names the checkpoint in errors.

    Raises:
        DataError: A tensor is missing, has another shape, or is of no such model.
    """
    expected = {tensor.name: tensor.shape for tensor in megatron_tensors(architecture, shape)}
    refuse_others(
        found,
        expected,
        model=f"a {architecture.name} model with these settings",
        where=where,
        fix="check that the model config and the weights are of the same run",
        padded=(EMBEDDING, OUTPUT),
    )


def refuse_others(
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    *,
    model: str,
    where: str,
    fix: str,
    padded: Collection[str] = (),
) -> None:
    """Raises unless tensors have the names and shapes of a model.

    Args:
        found: Shapes by name.
        expected: Shapes by name.
        model: Names the model in errors.
        where: Names the weights in errors.
        fix: What to do.
        padded: Tensors that may have more rows.

    Raises:
        DataError: A tensor is missing, has another shape, or is of no such model.
    """
    faults = [
        *(f"{name} is missing" for name in expected if name not in found),
        *(
            f"{name} has shape {list(found[name])}, expected {list(shape)}"
            for name, shape in expected.items()
            if name in found and not _fits(found[name], shape, is_padded=name in padded)
        ),
        *(f"{name} is no part of it" for name in found if name not in expected),
    ]
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise DataError(
            f"the weights are not those of {model}: {'; '.join(faults[:3])}{more}",
            where=where,
            why="a model with a wrong or left-out tensor computes something else",
            fix=fix,
        )


def _fits(found: tuple[int, ...], expected: tuple[int, ...], *, is_padded: bool) -> bool:
    return found[1:] == expected[1:] and found[0] >= expected[0] if is_padded else found == expected
