"""Writes a .nemo front to back: an uncompressed tar of settings, tokenizer and a torch_dist checkpoint.

Every size is known before the first byte of a weight is read, so the file needs no second pass and no tensor in
memory, and its SHA-256 is there when its last byte is. The weights are what megatron-core 0.10.0 saves on one rank
(dist_checkpointing/strategies/torch.py): layers stacked along a first dimension with one chunk a layer, under the
names of the Transformer Engine layers, which its local layers load too. Tensors above CHUNK_BYTES are cut into rows,
so that a reader needs no whole embedding table; torch_dist loads any cut at any parallel layout.
"""

import io
import json
import pickle
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from recipes.convert.architectures.tensors import MegatronTensor
from recipes.convert.casts import ITEM_BYTES
from recipes.convert.direct_files import DirectOutput
from recipes.convert.torch_records import frame, record_size

PREFIX = "model."
WEIGHTS = "./model_weights/"
CHUNK_BYTES = 256 << 20

_DISTCP = "__0_0.distcp"
_END = bytes(2 * tarfile.BLOCKSIZE)
_LAYER = re.compile(r"decoder\.layers\.(\d+)\.(.+)")
_FORMAT = {
    "sharded_backend": "torch_dist",
    "sharded_backend_version": 1,
    "common_backend": "torch",
    "common_backend_version": 1,
}
_STATEFUL = (
    "self_attention.core_attention",
    "self_attention.linear_proj",
    "self_attention.linear_qkv",
    "mlp.linear_fc1",
    "mlp.linear_fc2",
)
"""Modules of a layer whose `_extra_state` megatron-core asks a checkpoint for; only fp8 puts something into it."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Rows of one Megatron tensor: one record of the .distcp file.

    Attributes:
        key: The stored tensor.
        start: The rectangle's first element in it.
        shape: The rectangle's sizes.
        tensor: The tensor as the mapping names it.
        first: Its first row here.
        offset: First byte of the record.
        length: Bytes of the record.
    """

    key: str
    start: tuple[int, ...]
    shape: tuple[int, ...]
    tensor: MegatronTensor
    first: int
    offset: int
    length: int

    @property
    def rows(self) -> int:
        """Rows of the tensor."""
        return self.shape[len(self.shape) - len(self.tensor.shape)]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checkpoint laid out to the byte.

    Attributes:
        dtype: Of all weights.
        layers: Transformer layers.
        rows: Of the tables of the vocabulary, padding included.
        chunks: Records with weights, in the order they are written.
        sizes: Shape of every stored tensor, padding included.
    """

    dtype: str
    layers: int
    rows: int
    chunks: Sequence[Chunk]
    sizes: Mapping[str, tuple[int, ...]]

    @property
    def states(self) -> list[str]:
        """Keys of the empty states, whose records follow the weights."""
        return [
            f"{PREFIX}decoder.layers.{module}._extra_state/shard_{layer}_{self.layers}"
            for layer in range(self.layers)
            for module in _STATEFUL
        ]

    @property
    def weight_bytes(self) -> int:
        """Bytes of the records with weights."""
        return self.chunks[-1].offset + self.chunks[-1].length

    @property
    def size(self) -> int:
        """Bytes of the .distcp file."""
        return self.weight_bytes + len(self.states) * len(EMPTY_STATE)


def _empty_state() -> bytes:
    record = io.BytesIO()
    torch.save([None], record)  # what `get_extra_state` of a layer without fp8 gives, as megatron-core wraps it
    return record.getvalue()


EMPTY_STATE = _empty_state()


def plan(tensors: Sequence[MegatronTensor], *, rows: int, layers: int, dtype: str) -> Plan:
    """Lays out a checkpoint.

    Args:
        tensors: Every tensor of the model; those of a layer are stacked.
        rows: Of the tables of the vocabulary, padding included.
        layers: Transformer layers.
        dtype: To store weights in.
    """
    chunks: list[Chunk] = []
    sizes: dict[str, tuple[int, ...]] = {}
    offset = 0
    for tensor in tensors:
        shape = (rows, *tensor.shape[1:]) if tensor.is_padded else tensor.shape
        layer = _LAYER.fullmatch(tensor.name)
        key = PREFIX + (f"decoder.layers.{layer[2]}" if layer else tensor.name)
        sizes[key] = (layers, *shape) if layer else shape
        stack = ((int(layer[1]), 1),) if layer else ()
        for first, count in cut(shape, ITEM_BYTES[dtype], CHUNK_BYTES):
            cells = (*stack, (first, count), *((0, size) for size in shape[1:]))
            start, part = tuple(cell[0] for cell in cells), tuple(cell[1] for cell in cells)
            length = record_size(dtype, part)
            chunks.append(
                Chunk(key=key, start=start, shape=part, tensor=tensor, first=first, offset=offset, length=length)
            )
            offset += length
    return Plan(dtype=dtype, layers=layers, rows=rows, chunks=chunks, sizes=sizes)


def cut(shape: tuple[int, ...], item: int, limit: int) -> list[tuple[int, int]]:
    """(first row, number of rows) of the chunks of a tensor: a power of two of them, none above `limit` bytes.

    Equal halves of halves lie within the shards of a tensor parallel rank.
    """
    parts = 1
    while prod(shape) * item > parts * limit:
        parts *= 2
    step = -(-shape[0] // parts)
    return [(first, min(step, shape[0] - first)) for first in range(0, shape[0], step)]


def metadata(laid: Plan) -> bytes:
    """The checkpoint's `.metadata`."""
    cuts: dict[str, list[ChunkStorageMetadata]] = {key: [] for key in laid.sizes}
    places: dict[MetadataIndex, _StorageInfo] = {}
    for chunk in laid.chunks:
        start = torch.Size(chunk.start)
        cuts[chunk.key].append(ChunkStorageMetadata(start, torch.Size(chunk.shape)))
        places[MetadataIndex(chunk.key, start)] = _StorageInfo(_DISTCP, chunk.offset, chunk.length)
    properties = TensorProperties(dtype=getattr(torch, laid.dtype))
    entries: dict[str, TensorStorageMetadata | BytesStorageMetadata] = {
        key: TensorStorageMetadata(properties, torch.Size(size), cuts[key]) for key, size in laid.sizes.items()
    }
    for number, key in enumerate(laid.states):
        entries[key] = BytesStorageMetadata()
        start_of_state = laid.weight_bytes + number * len(EMPTY_STATE)
        places[MetadataIndex(key)] = _StorageInfo(_DISTCP, start_of_state, len(EMPTY_STATE))
    planner = {key: (key,) for key in entries}
    return pickle.dumps(Metadata(entries, planner, places), protocol=2)


def members(small: Mapping[str, bytes], laid: Plan) -> dict[str, bytes]:
    """Every file of the archive but the weights, by its name there."""
    common = io.BytesIO()
    torch.save({}, common)
    return {
        **{f"./{name}": content for name, content in small.items()},
        f"{WEIGHTS}.metadata": metadata(laid),
        f"{WEIGHTS}common.pt": common.getvalue(),
        f"{WEIGHTS}metadata.json": json.dumps(_FORMAT).encode(),
    }


def archive_size(files: Mapping[str, bytes], laid: Plan) -> int:
    """Bytes `write` will write."""
    return sum(tarfile.BLOCKSIZE + _blocks(size) for size in (*map(len, files.values()), laid.size)) + len(_END)


def write(
    output: DirectOutput, files: Mapping[str, bytes], laid: Plan, fill: Callable[[DirectOutput, Chunk], int]
) -> None:
    """Writes the archive.

    Args:
        output: Where to.
        files: What `members` gives.
        laid: The weights' places.
        fill: Appends the elements of a chunk; returns their CRC-32.
    """
    for name, content in files.items():
        _start_member(output, name, len(content))
        output.write(content)
        _pad(output, len(content))
    _start_member(output, WEIGHTS + _DISTCP, laid.size)
    for chunk in laid.chunks:
        before, around = output.position, frame(laid.dtype, chunk.shape)
        output.write(around.head)
        output.write(around.tail(fill(output, chunk)))
        if output.position - before != chunk.length:
            raise AssertionError(f"{chunk.key} took {output.position - before} bytes, {chunk.length} were planned")
    for _ in laid.states:
        output.write(EMPTY_STATE)
    _pad(output, laid.size)
    output.write(_END)


def _start_member(output: DirectOutput, name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    output.write(member.tobuf(tarfile.GNU_FORMAT))  # which knows sizes above 8 GB without a further header


def _pad(output: DirectOutput, size: int) -> None:
    output.write(bytes(_blocks(size) - size))


def _blocks(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
