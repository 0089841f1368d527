"""Safetensors files, written piece by piece and taken over from a conversion that was killed.

A safetensors file is 8 bytes with the length of the header (little endian), the header (JSON: dtype, shape and byte
range of every tensor, padded with spaces to a multiple of 8 bytes), then the tensors' bytes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from data_prep.files import full_disk_named
from recipes.convert.casts import ITEM_BYTES
from recipes.convert.direct_files import DirectOutput

SHARD_BYTES = 5_000_000_000
"""Largest file; transformers' own default."""

NAMES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor that will be written."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


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


def shard_name(number: int, total: int) -> str:
    """The name transformers gives a file, counted from 1."""
    return "model.safetensors" if total == 1 else f"model-{number:05d}-of-{total:05d}.safetensors"


def header(specs: Sequence[TensorSpec]) -> bytes:
    """What stands before the tensors in a safetensors file."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for spec in specs:
        entries[spec.name] = {
            "dtype": NAMES[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [start, start + spec.size],
        }
        start += spec.size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_header(path: Path) -> dict[str, Any]:
    """Dtype, shape and byte range by tensor, as the file says."""
    with path.open("rb") as file:
        entries: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    entries.pop("__metadata__", None)
    return entries


def write_shard(path: Path, specs: Sequence[TensorSpec], write: Callable[[DirectOutput, TensorSpec], None]) -> str:
    """Writes one file and puts it on disk.

    Args:
        path: The file.
        specs: Its tensors, in order.
        write: Appends the bytes of one.

    Returns:
        Its SHA-256.

    Raises:
        LangadaptError: The disk is full.
    """
    with full_disk_named(path), DirectOutput(path) as output:
        output.write(header(specs))
        for spec in specs:
            write(output, spec)
        return output.finish()
