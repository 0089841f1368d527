"""Writes a Hugging Face model folder: sharded safetensors, one tensor in memory at a time.

A safetensors file is 8 bytes with the length of the header (little endian), the header (JSON: dtype, shape and byte
range of every tensor, padded with spaces to a multiple of 8 bytes), then the tensors' bytes.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SHARD_BYTES = 5_000_000_000
"""Largest file; transformers' own default."""

DTYPES = {torch.float32: ("F32", 4), torch.bfloat16: ("BF16", 2), torch.float16: ("F16", 2)}


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor that will be written."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * DTYPES[self.dtype][1]


def split_shards(specs: Sequence[TensorSpec], limit: int = SHARD_BYTES) -> list[list[TensorSpec]]:
    """Tensors by file, in order, no file over `limit` bytes unless one tensor alone is."""
    shards: list[list[TensorSpec]] = []
    size = limit + 1
    for spec in specs:
        if size + spec.size > limit:
            shards.append([])
            size = 0
        shards[-1].append(spec)
        size += spec.size
    return shards


def header(specs: Sequence[TensorSpec]) -> bytes:
    """What stands before the tensors in a safetensors file."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for spec in specs:
        entries[spec.name] = {
            "dtype": DTYPES[spec.dtype][0],
            "shape": list(spec.shape),
            "data_offsets": [start, start + spec.size],
        }
        start += spec.size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_weights(folder: Path, specs: Sequence[TensorSpec], tensors: Iterable[Tensor]) -> dict[str, str]:
    """Writes all tensors, and the index transformers reads when there are several files.

    Args:
        folder: Exists.
        specs: What is written, in order.
        tensors: The tensors in the same order; taken one by one.

    Returns:
        SHA-256 of every file written.
    """
    shards = split_shards(specs)
    names = [_shard_name(number, len(shards)) for number in range(1, len(shards) + 1)]
    stream = iter(tensors)
    checksums = {name: _write_shard(folder / name, shard, stream) for name, shard in zip(names, shards, strict=True)}
    if len(shards) > 1:
        placed = {spec.name: name for name, shard in zip(names, shards, strict=True) for spec in shard}
        index = {"metadata": {"total_size": sum(spec.size for spec in specs)}, "weight_map": placed}
        checksums["model.safetensors.index.json"] = write_json(folder / "model.safetensors.index.json", index)
    return checksums


def _shard_name(number: int, total: int) -> str:
    return "model.safetensors" if total == 1 else f"model-{number:05d}-of-{total:05d}.safetensors"


def _write_shard(path: Path, specs: Sequence[TensorSpec], tensors: Iterator[Tensor]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in _shard_parts(specs, tensors):
            digest.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _shard_parts(specs: Sequence[TensorSpec], tensors: Iterator[Tensor]) -> Iterator[bytes | memoryview]:
    yield header(specs)
    for spec in specs:
        tensor = next(tensors)
        if (tensor.dtype, tuple(tensor.shape)) != (spec.dtype, spec.shape):
            raise AssertionError(f"{spec} was planned, {tensor.dtype} {tuple(tensor.shape)} came")
        yield memoryview(tensor.contiguous().view(-1).view(torch.uint8).numpy())


def write_json(path: Path, value: Mapping[str, Any]) -> str:
    """Writes a JSON file; returns its SHA-256."""
    text = json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
    with path.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(text).hexdigest()
