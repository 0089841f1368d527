"""Files of independently compressed frames, so that a task reads its own part of every file and no more.

`<name>.zst` is a sequence of zstd frames, each a JSON array (`zstdcat` shows them all); `<name>.index.json` says where
each lies. The shards' segments are written by shard, one frame per part, and read by part; their translations are
written by part, one frame per shard, and read by shard. So the whole corpus is turned over twice with sequential
writes, and memory holds one frame at a time.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import zstandard

from data_prep.errors import DataError
from data_prep.files import atomic_write

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",\n", ":"))


def index_path(path: Path) -> Path:
    """The index beside a file of frames: small, and different whenever any frame is."""
    return path.with_suffix(".index.json")


def write_frames(path: Path, frames: Iterable[Sequence[Any]]) -> tuple[Path, Path]:
    """Write each frame's items; returns the file and its index."""
    index = []
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with atomic_write(path) as file:
        for frame in frames:
            data = compressor.compress(_ENCODER.encode(frame).encode() + b"\n")
            index.append((file.tell(), len(data), hashlib.blake2b(data, digest_size=16).hexdigest()))
            file.write(data)
    with atomic_write(index_path(path)) as file:
        file.write(json.dumps(index).encode() + b"\n")
    return path, index_path(path)


def read_frame(path: Path, number: int) -> list[Any]:
    """The items of one frame.

    Raises:
        DataError: The file is not whole.
    """
    try:
        offset, size, digest = json.loads(index_path(path).read_bytes())[number]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if hashlib.blake2b(data, digest_size=16).hexdigest() != digest:
            raise ValueError("its bytes are not those that were written")  # noqa: TRY301
        items: list[Any] = json.loads(zstandard.ZstdDecompressor().decompress(data))
    except (OSError, ValueError, IndexError, zstandard.ZstdError) as error:
        raise DataError(
            f"cannot read frame {number} of this side file: {error}",
            where=str(path),
            why="segments would be missing from the translation",
            fix=f"delete {path} and run `langadapt prep` again: it is made anew",
        ) from error
    return items
