r"""Megatron's token datasets, byte for byte as megatron-core 0.10's IndexedDatasetBuilder writes them.

`PREFIX.bin` holds the token ids of all sequences, one after the other, in the dtype the index names.
`PREFIX.idx` is little-endian; S sequences, D = documents + 1:

    offset  bytes  what
    0       9      magic "MMIDIDX\0\0"
    9       8      version, uint64 = 1
    17      1      dtype code: 8 = uint16, 4 = int32 (megatron.core DType)
    18      8      S, uint64
    26      8      D, uint64
    34      4 S    tokens of each sequence, int32
    ...     8 S    byte offset of each sequence in the .bin, int64
    ...     8 D    index of the first sequence of each document, and S at the end, int64

Ours hold one sequence a document, so D = S + 1 and an index of n documents has 42 + 20 n bytes.
"""

import array
import contextlib
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.layout import append_suffix

_HEADER = struct.Struct("<9sQBQQ")
_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
_DTYPE_CODES = {"uint16": 8, "int32": 4}
INTEGER_DTYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 8: "uint16"}
"""Codes of megatron-core's DType that can hold token ids; 6 and 7 are floats."""

_UINT16_VOCABULARY = 65_500
_CHUNK = 1 << 20

LONGEST_DOCUMENT = 2**31 - 1
"""Tokens: the index keeps lengths as int32."""

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class DatasetSize:
    """What the header of an index and the size of its .bin say."""

    dtype: str
    sequences: int
    documents: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class IndexHeader:
    """The first 34 bytes of an index, as they stand there."""

    magic: bytes
    version: int
    dtype_code: int
    sequences: int
    entries: int
    """Of the document index: documents + 1."""

    SIZE: ClassVar[int] = _HEADER.size
    MAGIC: ClassVar[bytes] = _MAGIC
    VERSION: ClassVar[int] = _VERSION


def token_dtype(vocab_size: int) -> str:
    """The dtype Megatron gives the ids of a vocabulary (DType.optimal_dtype)."""
    return "uint16" if vocab_size < _UINT16_VOCABULARY else "int32"


@contextlib.contextmanager
def dataset_writer(prefix: Path, dtype: str) -> Iterator[Callable[..., None]]:
    """A function `add(token_ids, lengths)` that appends documents, their end-of-document tokens included.

    `token_ids` holds the ids of a batch one after the other, `lengths` the tokens of each document; without lengths
    the ids are one document's. The pair appears when the block ends well: first the .bin, the .idx last, and no older
    .idx beside a newer .bin. Memory: four bytes a document.

    Raises (from `add`):
        DataError: An id does not fit the dtype.
    """
    lengths = array.array("i")
    index = append_suffix(prefix, ".idx")
    with atomic_write(append_suffix(prefix, ".bin")) as file:

        def add(token_ids: Sequence[int] | Array, of_documents: Sequence[int] | Array | None = None) -> None:
            ids = np.asarray(token_ids)
            if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= np.iinfo(dtype).max:
                raise _unfit(prefix, ids, dtype)
            file.write(np.ascontiguousarray(ids, dtype=dtype).data)
            sizes = [len(ids)] if of_documents is None else of_documents
            lengths.frombytes(np.asarray(sizes, dtype=np.int32).tobytes())

        yield add
        index.unlink(missing_ok=True)
    with atomic_write(index) as file:
        _write_index(file, dtype, lambda: [np.asarray(lengths, dtype=np.int32)])


def merge_datasets(prefix: Path, parts: Sequence[Path]) -> None:
    """Append datasets of one dtype to each other, in order; the bytes are those of one writer.

    Memory: that of the index of the largest part.

    Raises:
        DataError: A part is missing or damaged.
    """
    index = append_suffix(prefix, ".idx")
    (dtype,) = {read_size(part).dtype for part in parts}
    with atomic_write(append_suffix(prefix, ".bin")) as merged:
        for part in parts:
            with append_suffix(part, ".bin").open("rb") as file:
                shutil.copyfileobj(file, merged, _CHUNK)
        index.unlink(missing_ok=True)
    with atomic_write(index) as file:
        _write_index(file, dtype, lambda: map(read_lengths, parts))


def read_lengths(prefix: Path) -> Array:
    """Tokens of each sequence."""
    count = read_size(prefix).sequences
    with append_suffix(prefix, ".idx").open("rb") as file:
        return np.fromfile(file, dtype=np.int32, count=count, offset=_HEADER.size)


def _write_index(file: BinaryIO, dtype: str, lengths: Callable[[], Iterable[Array]]) -> None:
    """Header and the three lists, each from the lengths anew, so that they need not be in memory at once."""
    documents = sum(map(len, lengths()))
    entries = documents + 1
    file.write(_HEADER.pack(_MAGIC, _VERSION, _DTYPE_CODES[dtype], documents, entries))
    file.writelines(sizes.data for sizes in lengths())
    start = 0
    for sizes in lengths():
        ends = start + np.cumsum(sizes, dtype=np.int64) * np.dtype(dtype).itemsize
        file.write(np.concatenate([[start], ends[:-1]])[: len(sizes)].data)
        start = int(ends[-1]) if len(ends) else start
    file.writelines(
        np.arange(first, min(first + _CHUNK, entries), dtype=np.int64).data for first in range(0, entries, _CHUNK)
    )


def remove_dataset(prefix: Path) -> None:
    """Remove a pair, index first."""
    for suffix in (".idx", ".bin"):
        append_suffix(prefix, suffix).unlink(missing_ok=True)


def read_header(index: Path) -> IndexHeader | None:
    """The header of an index, unchecked; None if the file is shorter."""
    with index.open("rb") as file:
        packed = file.read(_HEADER.size)
    if len(packed) < _HEADER.size:
        return None
    magic, version, code, sequences, entries = _HEADER.unpack(packed)
    return IndexHeader(magic=magic, version=version, dtype_code=code, sequences=sequences, entries=entries)


def read_size(prefix: Path) -> DatasetSize:
    """Sizes of a dataset without reading its tokens.

    Raises:
        DataError: A file is missing, the header is foreign, or the index has the wrong length.
    """
    index, tokens = append_suffix(prefix, ".idx"), append_suffix(prefix, ".bin")
    try:
        with index.open("rb") as file:
            magic, version, code, sequences, documents = _HEADER.unpack(file.read(_HEADER.size))
        token_bytes, index_bytes = tokens.stat().st_size, index.stat().st_size
    except (OSError, struct.error) as error:
        raise _unreadable(index, str(error)) from error
    names = {code: name for name, code in _DTYPE_CODES.items()}
    if (magic, version) != (_MAGIC, _VERSION) or code not in names:
        raise _unreadable(index, f"magic {magic!r}, version {version}, dtype code {code}")
    if index_bytes != _HEADER.size + 12 * sequences + 8 * documents:
        raise _unreadable(index, f"{index_bytes} bytes do not hold {sequences} sequences")
    itemsize = np.dtype(names[code]).itemsize
    return DatasetSize(dtype=names[code], sequences=sequences, documents=documents - 1, tokens=token_bytes // itemsize)


def _unreadable(index: Path, found: str) -> DataError:
    return DataError(
        f"this is not a whole Megatron token dataset: {found}",
        where=str(index),
        fix="run `langadapt prep` again: it makes what is missing or damaged",
    )


def _unfit(prefix: Path, ids: Array, dtype: str) -> DataError:
    return DataError(
        f"token ids from {ids.min()} to {ids.max()} do not fit {dtype}",
        where=str(prefix),
        why="they would be written as other tokens",
        fix="this is a fault of the tokenizer or of langadapt: report it with the tokenizer",
    )
