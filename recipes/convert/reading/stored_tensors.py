"""Where the bytes of every tensor of a torch_dist checkpoint are, whatever its layout.

`.metadata` says which file, offset and length hold which rectangle ("chunk") of which tensor, and each chunk is a
`torch.save` record. Tensor and pipeline parallel checkpoints differ only in their chunks, so any layout reads the
same. Layers are stored either each under its own name or stacked along a first dimension; here they always have
their own names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes.convert.architectures.tensors import EMBEDDING
from recipes.convert.reading.pickles import Stored

_STACKED = re.compile(r"decoder\.layers\.(?!\d+\.)(.+)")
_NO_WEIGHTS = ("optimizer.", "rng_state", "rerun_state_machine", "opt_param_scheduler")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A rectangle of a tensor and where its bytes are.

    Attributes:
        start: Its first row (and column) in the tensor.
        shape: Its size.
        file: Name of the file that holds its record.
        offset: First byte of the record.
        length: Bytes of the record.
        layer: Index in the stored record's first dimension; None if the record is the rectangle itself.
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]
    file: str
    offset: int
    length: int
    layer: int | None


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """One tensor of the model, whole."""

    shape: tuple[int, ...]
    dtype: str
    """As torch calls it: bfloat16."""
    chunks: tuple[Chunk, ...]


def find_prefix(metadata: Stored, where: str) -> str:
    """What stands before `embedding.` and `decoder.` in the stored names: nothing, `model.`, `module.` or more.

    Raises:
        UsageError: There is no embedding table.
    """
    prefixes = [key.removesuffix(EMBEDDING) for key in _entries(metadata) if key.endswith(EMBEDDING)]
    if not prefixes:
        raise UsageError("this checkpoint has no word embeddings: it is not a megatron-core GPT model", where=where)
    return min(prefixes, key=len)  # "optimizer.state.….module." also ends so


def index_tensors(metadata: Stored, prefix: str, where: str) -> dict[str, StoredTensor]:
    """The model's tensors without wrapper prefix, each layer under its own name; optimizer states are left out.

    Args:
        metadata: What `.metadata` holds.
        prefix: From `find_prefix`.
        where: Names the checkpoint in errors.
    """
    pieces = vars(metadata)["storage_data"].items()
    storage = {(index.fqn, tuple(vars(index).get("offset") or ())): info for index, info in pieces}
    tensors: dict[str, StoredTensor] = {}
    for key, entry in _entries(metadata).items():
        if key.startswith(prefix) and not (name := key.removeprefix(prefix)).startswith(_NO_WEIGHTS):
            tensors |= _stored(key, name, entry, storage, where)
    return tensors


def _entries(metadata: Stored) -> dict[str, Any]:
    """What is known of each stored tensor, by full name."""
    entries = vars(metadata)["state_dict_metadata"].items()
    return {key: entry for key, entry in entries if entry.kind.startswith("Tensor")}


def _stored(
    key: str, name: str, entry: Any, storage: Mapping[tuple[str, tuple[int, ...]], Any], where: str
) -> dict[str, StoredTensor]:
    """One stored tensor, or one for every layer of a stack."""
    records = [_record(key, tuple(chunk.offsets), tuple(chunk.sizes), storage, where) for chunk in entry.chunks]
    if (stacked := _STACKED.fullmatch(name)) is None:
        shape, chunks = tuple(entry.size), {name: records}
    else:
        shape = tuple(entry.size)[1:]
        chunks = {
            f"decoder.layers.{layer}.{stacked[1]}": [part for record in records for part in _unstack(record, layer)]
            for layer in range(entry.size[0])
        }
    for tensor, parts in chunks.items():
        if sum(prod(part.shape) for part in parts) != prod(shape):
            raise damaged(where, f"the chunks of {tensor} do not cover it")
    dtype = entry.properties.state[0]
    return {tensor: StoredTensor(shape=shape, dtype=dtype, chunks=tuple(parts)) for tensor, parts in chunks.items()}


def _record(
    key: str,
    start: tuple[int, ...],
    shape: tuple[int, ...],
    storage: Mapping[tuple[str, tuple[int, ...]], Any],
    where: str,
) -> Chunk:
    info = storage.get((key, start))
    if info is None:
        raise damaged(where, f"a chunk of {key} is missing")
    place = {"file": str(info.relative_path), "offset": info.offset, "length": info.length}
    return Chunk(start=start, shape=shape, layer=None, **place)


def _unstack(chunk: Chunk, layer: int) -> list[Chunk]:
    """The part of a stacked chunk that belongs to a layer, if any."""
    index = layer - chunk.start[0]
    if not 0 <= index < chunk.shape[0]:
        return []
    return [replace(chunk, start=chunk.start[1:], shape=chunk.shape[1:], layer=index)]


def damaged(where: str, what: str) -> LangadaptError:
    """The error of a checkpoint that cannot be trusted."""
    return DataError(
        f"this checkpoint is damaged: {what}",
        where=where,
        why="a converted model would have wrong weights",
        fix="copy it again, or save it again from the run",
    )
