"""Files that are either whole or not there: atomic writes, checksums, zstd JSONL shards.

A shard is zstd-compressed JSON lines of Documents, written by one writer. Equal documents give equal bytes
(single-threaded compression, no timestamps), so receipts can compare checksums.
"""

import contextlib
import errno
import fcntl
import functools
import gzip
import hashlib
import io
import itertools
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from data_prep.documents import Document
from data_prep.errors import DataError, LangadaptError, UsageError

_CHUNK = 1 << 20
_ZSTD_LEVEL = 3
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ZSTD_SLICE = 8192
"""Bytes expanded at once: a file that compresses a thousandfold still takes some megabytes."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is complete and on disk.

    Until then it is `.<name>.tmp` in the same folder; an exception removes it, a kill leaves it to be
    overwritten by the next try.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with full_disk_named(path), temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


@contextlib.contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn a failed write for want of space, which knows no path, into an error that does.

    Raises:
        LangadaptError: The disk or a quota is full, or a file may not grow further.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise LangadaptError(
            f"cannot write any more: {error.strerror}",
            where=str(path),
            why="the disk or your quota is full; what is not whole has been removed",
            fix=f"make room (df -h {path.parent}) and run the same command again: finished shards are kept",
        ) from error


@contextlib.contextmanager
def lock(folder: Path, name: str, *, what: str, why: str, fix: str) -> Iterator[None]:
    """Hold a folder for this process; the kernel lets go of it in whatever way the process ends.

    Args:
        folder: What is held.
        name: The lock's own file, relative to it; it says who holds the folder.
        what: First words of the error; the holder follows.
        why: What two processes would do to each other.
        fix: What to do instead.

    Raises:
        UsageError: Another process holds it.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UsageError(
                f"{what}: {file.read().strip() or 'unknown'}", where=str(folder), why=why, fix=fix
            ) from None
        with full_disk_named(path):
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {platform.node()}")
            file.flush()
        yield
        file.truncate(0)


def fsync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file; remembered while its size and modification time stay the same."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _expand(file: BinaryIO) -> Iterator[bytes]:
    """What a .zst file holds; raises EOFError where zstandard's own reader just stops short."""
    frame: zstandard.ZstdDecompressionObj | None = None
    while chunk := file.read(_CHUNK // 8):
        compressed = memoryview(chunk)
        while compressed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            taken, compressed = compressed[:_ZSTD_SLICE], compressed[_ZSTD_SLICE:]
            yield frame.decompress(taken)
            if frame.eof:
                compressed, frame = memoryview(frame.unused_data + compressed), None
    if frame is not None:
        raise EOFError("the file ends inside a compressed frame")


class _ZstdReader(io.RawIOBase):
    """The decompressed bytes as a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._pieces = file, _expand(file)
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._ready:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._ready = memoryview(piece)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def open_binary(path: Path) -> IO[bytes]:
    """Open a plain, .gz or .zst file for reading lines of bytes."""
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return io.BufferedReader(_ZstdReader(path.open("rb")), buffer_size=_CHUNK)
    return path.open("rb")


def publish_folder(unfinished: Path, folder: Path) -> None:
    """Gives a finished folder its name; what has that name now makes room, and is removed when the new one is there."""
    fsync_folder(unfinished)
    earlier = folder.with_name(f".{folder.name}.earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    if folder.exists():
        folder.replace(earlier)
    unfinished.replace(folder)
    shutil.rmtree(earlier, ignore_errors=True)
    fsync_folder(folder.parent)


@contextlib.contextmanager
def shard_writer(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that appends one JSON line to a shard; the shard appears when the block ends well."""
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
    with atomic_write(path) as file, compressor.stream_writer(file, closefd=False) as stream:

        def write(line: str) -> None:
            stream.write(line.encode() + b"\n")

        yield write


def read_shard(path: Path) -> Iterator[Document]:
    """The documents of one shard.

    Raises:
        DataError: The shard is missing, damaged, or not one of ours.
    """
    with _damage_named(path), open_binary(path) as lines:
        for line in lines:
            yield Document.from_json(line)


def read_blocks(path: Path, size: int) -> Iterator[bytes]:
    """The lines of one shard, unread, some `size` bytes together.

    Raises:
        DataError: The shard is missing or damaged.
    """
    with _damage_named(path), path.open("rb") as file:
        pieces, held = [], 0
        for piece in _expand(file):
            pieces.append(piece)
            held += len(piece)
            if held >= size and (end := piece.rfind(b"\n") + 1):
                yield b"".join([*pieces[:-1], piece[:end]])
                pieces, held = [piece[end:]], len(piece) - end
        if held:
            yield b"".join(pieces)


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, zstandard.ZstdError) as error:
        raise DataError(
            f"cannot read this shard of documents: {error}",
            where=str(path),
            why="later stages would silently see less text",
            fix=f"delete {path} and run `langadapt prep` again: it is made anew",
        ) from error


def read_shards(paths: Sequence[Path]) -> Iterator[Document]:
    """The documents of several shards, in order."""
    return itertools.chain.from_iterable(map(read_shard, paths))
