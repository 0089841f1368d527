"""Finds the plain bytes of a tensor inside a `torch.save` record, and reads them by position.

A record is a zip archive whose members are stored, not compressed: NAME/data.pkl says how the tensor lies in its
storage, NAME/data/0 is the storage, little endian. So a tensor's bytes are a range of the checkpoint's file.
"""

import io
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from recipes.convert.casts import ITEM_BYTES
from recipes.convert.direct_files import BLOCK_BYTES, RangeInput
from recipes.convert.reading import pickles
from recipes.convert.reading.stored_tensors import Chunk, StoredTensor, damaged

_LOCAL_HEADER = struct.Struct("<26xHH")
"""The end of a zip member's own header: lengths of the name and of the extra field that follow (APPNOTE 4.3.7)."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of a checkpoint: a whole file of a folder, or a range of the archive."""

    path: Path
    start: int
    size: int


class Place(NamedTuple):
    """Where some bytes begin."""

    file: RangeInput
    start: int


class _Window(io.RawIOBase):
    """A range of a file as a file of its own, read by position."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor, self._start, self._size, self._at = descriptor, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        read = os.preadv(self._descriptor, [memoryview(buffer)[:count]], self._start + self._at) if count else 0
        self._at += read
        return read


class RecordReader:
    """Opened files of a checkpoint, and where in them the tensors' bytes are.

    Args:
        files: By their names in the checkpoint.
        where: Names it in errors.
        is_shared: Whether they are hashed meanwhile.
    """

    def __init__(self, files: Mapping[str, Member], where: str, *, is_shared: bool) -> None:
        self._files, self._where, self._is_shared = files, where, is_shared
        self._stack = ExitStack()
        self._inputs: dict[Path, RangeInput] = {}
        self._found: dict[tuple[str, int], Place] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def place(self, name: str, tensor: StoredTensor, chunk: Chunk) -> Place:
        """File and first byte of a chunk's elements.

        Raises:
            DataError: The file is cut off there, or holds something else.
        """
        key = (chunk.file, chunk.offset)
        if key not in self._found:
            self._found[key] = self._locate(name, tensor, chunk)
        file, start = self._found[key]
        return Place(file, start + (chunk.layer or 0) * prod(chunk.shape) * ITEM_BYTES[tensor.dtype])

    def read(self, name: str, place: Place, size: int) -> Iterator[memoryview]:
        """Bytes from a place on, piece by piece; each is valid until the next one is taken.

        Raises:
            DataError: The file has become shorter since it was opened.
        """
        start, end = place.start, place.start + size
        while start < end:
            wanted = min(BLOCK_BYTES, end - start)
            data = place.file.read(start, wanted)
            if len(data) < wanted:
                raise self.cut_off(name)
            yield data
            start += wanted

    def cut_off(self, name: str) -> Exception:
        """The error of a file that ended under the reader."""
        return damaged(self._where, f"the file ends within {name}")

    def _locate(self, name: str, tensor: StoredTensor, chunk: Chunk) -> Place:
        member = self._files.get(chunk.file)
        if member is None or chunk.offset + chunk.length > member.size:
            raise damaged(self._where, f"{name} should be in {chunk.file}, which ends before it")
        file = self._open(member.path)
        try:
            first, found = _inside(file.descriptor, member.start + chunk.offset, chunk.length)
        except Exception as error:
            raise damaged(self._where, f"{name} cannot be read: {error}") from error
        self._require(name, tensor, chunk, found)
        return Place(file, first + found.offset * ITEM_BYTES[tensor.dtype])

    def _open(self, path: Path) -> RangeInput:
        if path not in self._inputs:
            self._inputs[path] = self._stack.enter_context(closing(RangeInput(path, is_shared=self._is_shared)))
        return self._inputs[path]

    def _require(self, name: str, tensor: StoredTensor, chunk: Chunk, found: pickles.Rebuilt) -> None:
        size = found.size[1:] if chunk.layer is not None else found.size
        if size != chunk.shape or found.dtype != tensor.dtype:
            expected = f"{tensor.dtype} {list(chunk.shape)}"
            raise damaged(self._where, f"{name} is {found.dtype} {list(size)} where {expected} should be")
        dense = tuple(prod(found.size[index + 1 :]) for index in range(len(found.size)))
        if any(width > 1 and is_ != want for width, is_, want in zip(found.size, found.stride, dense, strict=True)):
            raise damaged(self._where, f"{name} is stored with gaps (stride {list(found.stride)})")


def _inside(descriptor: int, start: int, length: int) -> tuple[int, pickles.Rebuilt]:
    """First byte of a record's storage in the file, and what the record says of the tensor."""
    with zipfile.ZipFile(io.BufferedReader(_Window(descriptor, start, length), 4096)) as archive:
        names = {info.filename.split("/", 1)[-1]: info for info in archive.infolist()}
        tensor = pickles.load_tensor(archive.read(names["data.pkl"]))
        storage = names[f"data/{tensor.storage}"]
    needed = (tensor.offset + prod(tensor.size)) * ITEM_BYTES[tensor.dtype]
    if storage.compress_type != zipfile.ZIP_STORED or storage.file_size < needed:
        raise ValueError(f"its storage has {storage.file_size} plain bytes instead of {needed}")
    lengths = os.pread(descriptor, _LOCAL_HEADER.size, start + storage.header_offset)
    return start + storage.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(lengths)), tensor
