"""The zip files that torch.save makes, read and written without holding a tensor.

Such a file is a zip of stored (uncompressed) members: `data.pkl`, a pickle that says which tensor is which part of
which storage, and `data/0`, `data/1`, ..., the storages' bytes. A chunk of a torch_dist checkpoint is one such file
with one tensor; a pytorch_model.bin is one with all of them.
"""

import collections
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch

from data_prep.errors import DataError
from recipes.convert.casts import ITEM_BYTES
from recipes.convert.reading.pickles import Rebuilt, load_tensors

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_BEHIND = struct.Struct("<4sIII")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_VERSION, _CHECKSUM_BEHIND, _DATE = 20, 8, 0x21
"""Of zip: 2.0; bit 3; the first day it knows, so that equal weights give equal bytes."""
_ALIGN = b"FB\x10\x00" + bytes(16)
"""Extra field with which the data of a first member `archive/data/0` begins at byte 64, as torch aligns it."""

_STORAGES = {
    "float32": torch.FloatStorage,
    "bfloat16": torch.BFloat16Storage,
    "float16": torch.HalfStorage,
}


@dataclass(frozen=True, kw_only=True)
class Located:
    """A tensor whose bytes lie together in a file.

    Attributes:
        file: Where.
        offset: Its first byte.
        dtype: Of its elements, little endian, as torch calls it.
        shape: Its sizes; rows one after the other.
    """

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class _Storage:
    """Stands for a tensor's storage in a pickle."""

    dtype: str
    elements: int


@dataclass(frozen=True)
class _Tensor:
    """Pickles as the tensor of a shape that fills a storage."""

    storage: _Storage
    shape: tuple[int, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        strides = tuple(prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))
        hooks: Mapping[str, Any] = collections.OrderedDict()
        return torch._utils._rebuild_tensor_v2, (self.storage, 0, self.shape, strides, False, hooks)  # noqa: SLF001


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, _Storage):
            return ("storage", _STORAGES[obj.dtype], "0", "cpu", obj.elements)
        return None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The bytes around a tensor's in a record.

    Attributes:
        head: Before them.
        tail: Behind them, for their CRC-32.
    """

    head: bytes
    tail: Callable[[int], bytes]


def frame(dtype: str, shape: tuple[int, ...]) -> Frame:
    """What torch.save writes around a tensor, the tensor first (zip: APPNOTE 4.3.7 to 4.3.16).

    The tensor's checksum stands behind it, as in torch's own files, so that a record is written front to back.

    Args:
        dtype: Of the tensor.
        shape: Its sizes; below 4 GB, so that the zip stays of the plain kind.
    """
    pickled = io.BytesIO()
    _Pickler(pickled, protocol=2).dump(_Tensor(_Storage(dtype, prod(shape)), shape))
    size = prod(shape) * ITEM_BYTES[dtype]
    name = b"archive/data/0"
    head = _local(name, _CHECKSUM_BEHIND, 0, 0, _ALIGN)
    others = {b"archive/data.pkl": pickled.getvalue(), b"archive/byteorder": b"little", b"archive/version": b"3\n"}

    def tail(checksum: int) -> bytes:
        body = _BEHIND.pack(b"PK\x07\x08", checksum, size, size)
        entries = _entry(name, _CHECKSUM_BEHIND, checksum, size, 0)
        for member, content in others.items():
            checked = zlib.crc32(content)
            entries += _entry(member, 0, checked, len(content), len(head) + size + len(body))
            body += _local(member, 0, checked, len(content)) + content
        count, start = 1 + len(others), len(head) + size + len(body)
        return body + entries + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)

    return Frame(head=head, tail=tail)


def record_size(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a whole record."""
    around = frame(dtype, shape)
    return len(around.head) + prod(shape) * ITEM_BYTES[dtype] + len(around.tail(0))


def _local(name: bytes, flags: int, checksum: int, size: int, extra: bytes = b"") -> bytes:
    """What stands before a member's data."""
    return (
        _LOCAL.pack(b"PK\x03\x04", _VERSION, flags, 0, 0, _DATE, checksum, size, size, len(name), len(extra))
        + name
        + extra
    )


def _entry(name: bytes, flags: int, checksum: int, size: int, start: int) -> bytes:
    """A member in the directory at a zip's end."""
    facts = (_VERSION, _VERSION, flags, 0, 0, _DATE, checksum, size, size, len(name), 0, 0, 0, 0, 0, start)
    return _ENTRY.pack(b"PK\x01\x02", *facts) + name


def locate_tensors(path: Path) -> dict[str, Located]:
    """Where the tensors of a pytorch_model.bin are; none of their bytes is read.

    Raises:
        DataError: It is no such file, cut off, or holds something else than tensors that lie together.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
            content = load_tensors(archive.read(members["data.pkl"]))
        with path.open("rb") as file:
            starts = {
                name.removeprefix("data/"): _data_start(file, member)
                for name, member in members.items()
                if name.startswith("data/") and member.compress_type == zipfile.ZIP_STORED
            }
        return dict(_located(path, content, starts))
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError) as error:
        raise DataError(
            f"the weights cannot be read: {error}",
            where=str(path),
            why="a .bin file is a zip of named tensors, whole to its last byte, and made by torch.save",
            fix="download it again and compare its SHA-256 with the publisher's\n"
            "or save it as safetensors: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)",
        ) from error


def _data_start(file: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """First byte of a member's data: its own header may be longer than the directory says."""
    file.seek(member.header_offset)
    header = file.read(_LOCAL.size)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return member.header_offset + _LOCAL.size + name + extra


def _located(path: Path, content: Mapping[str, Rebuilt], starts: Mapping[str, int]) -> Iterator[tuple[str, Located]]:
    for name, found in content.items():
        dense = tuple(prod(found.size[axis + 1 :]) for axis in range(len(found.size)))
        if any(size > 1 and is_ != want for size, is_, want in zip(found.size, found.stride, dense, strict=True)):
            raise ValueError(f"the rows of {name} do not lie together")
        offset = starts[found.storage] + found.offset * ITEM_BYTES[found.dtype]
        yield name, Located(file=path, offset=offset, dtype=found.dtype, shape=found.size)
