"""The .idx: read in blocks, so that memory does not grow with it, and checked against itself and the size of the .bin.

Its layout is in data_prep/indexed_dataset.py. megatron-core 0.10 allows more than our writer does: documents of
several sequences, documents of none (its preprocess_data.py writes them for empty texts), any integer type of ids,
and for multimodal data one more array, int8, of S modes behind the others.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.indexed_dataset import INTEGER_DTYPES, Array, IndexHeader, read_header
from data_prep.verify.faults import Findings

BLOCK = 1 << 17
"""Entries of an array held at once: 1 MiB of int64."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index whose header and size fit each other."""

    path: Path
    header: IndexHeader
    dtype: "np.dtype[Any]"
    block: int = BLOCK

    @property
    def sequences(self) -> int:
        """Sequences in the .bin."""
        return self.header.sequences

    @property
    def documents(self) -> int:
        """Documents; the array has one entry more."""
        return self.header.entries - 1

    def length_offset(self, sequence: int) -> int:
        """Byte of the .idx where the tokens of a sequence are counted."""
        return IndexHeader.SIZE + 4 * sequence

    def pointer_offset(self, sequence: int) -> int:
        """Byte of the .idx where the place of a sequence in the .bin stands."""
        return IndexHeader.SIZE + 4 * self.sequences + 8 * sequence

    def document_offset(self, document: int) -> int:
        """Byte of the .idx where the first sequence of a document stands."""
        return IndexHeader.SIZE + 12 * self.sequences + 8 * document

    def lengths(self, start: int, count: int) -> Array:
        """Tokens of some sequences."""
        return self._read("<i4", self.length_offset(start), count).astype(np.int64)

    def pointers(self, start: int, count: int) -> Array:
        """Byte offsets of some sequences in the .bin."""
        return self._read("<i8", self.pointer_offset(start), count)

    def first_sequences(self, start: int, count: int) -> Array:
        """First sequences of some documents; behind the last document, the number of sequences."""
        return self._read("<i8", self.document_offset(start), count)

    def begin(self, sequence: int) -> int:
        """Byte of the .bin where a sequence begins; the one behind the last begins at the end of them all."""
        if sequence < self.sequences:
            return int(self.pointers(sequence, 1)[0])
        last = sequence - 1
        return int(self.pointers(last, 1)[0] + self.lengths(last, 1)[0] * self.dtype.itemsize) if sequence else 0

    def document_ends(self) -> Iterator[Array]:
        """Token offsets behind the documents, in order; for an index without faults."""
        for start in range(1, self.header.entries, self.block):
            following = self.first_sequences(start, min(self.block, self.header.entries - start))
            while following.size:
                near = int(np.searchsorted(following, following[0] + self.block))
                yield self._byte_offsets(following[:near]) // self.dtype.itemsize
                following = following[near:]

    def _byte_offsets(self, sequences: Array) -> Array:
        """Where ascending sequences begin."""
        first = int(sequences[0])
        pointers = self.pointers(first, min(int(sequences[-1]) + 1, self.sequences) - first)
        begins: Array = np.append(pointers, self.begin(self.sequences)).take(sequences - first)
        return begins

    def _read(self, dtype: str, offset: int, count: int) -> Array:
        return np.fromfile(self.path, dtype=dtype, count=count, offset=offset)


def open_index(path: Path, bin_bytes: int, found: Findings) -> Index | None:
    """The index, or None when its header, size or type of ids allows no reading."""
    header = read_header(path)
    if header is None:
        found.add("idx_cut_short", f"{path} has {path.stat().st_size} bytes, a header alone has {IndexHeader.SIZE}")
        return None
    if header.magic != IndexHeader.MAGIC:
        found.add("foreign_magic", f"bytes 0 to 8 of {path} are {header.magic!r}, not {IndexHeader.MAGIC!r}")
        return None
    if header.version != IndexHeader.VERSION:
        found.add("wrong_version", f"bytes 9 to 16 of {path} say {header.version}, not {IndexHeader.VERSION}")
        return None
    if header.dtype_code not in INTEGER_DTYPES:
        known = ", ".join(f"{code} = {name}" for code, name in INTEGER_DTYPES.items())
        found.add("wrong_dtype", f"byte 17 of {path} is {header.dtype_code}; ids have one of {known}")
        return None
    if not _has_right_size(path, header, found):
        return None
    index = Index(path=path, header=header, dtype=np.dtype(INTEGER_DTYPES[header.dtype_code]).newbyteorder("<"))
    return index if _has_right_dtype(index, bin_bytes, found) else None


def _has_right_size(path: Path, header: IndexHeader, found: Findings) -> bool:
    size = path.stat().st_size
    needed = IndexHeader.SIZE + 12 * header.sequences + 8 * header.entries
    if size == needed:
        return True
    if size == needed + header.sequences:
        found.notes.append("the .idx holds a mode for each sequence, as multimodal datasets do")
        return True
    found.add(
        "idx_cut_short" if size < needed else "idx_too_long",
        f"{path} has {size:,} bytes; its {header.sequences:,} sequences and {header.entries:,} document entries "
        f"(bytes 18 to 33) need {needed:,}",
    )
    return False


def _has_right_dtype(index: Index, bin_bytes: int, found: Findings) -> bool:
    """Whether lengths and pointers are not those of ids of another size."""
    count = min(index.block, index.sequences)
    lengths, pointers = index.lengths(0, count), index.pointers(0, count)
    gaps, held = (np.diff(pointers), lengths[:-1]) if count > 1 else (np.array([bin_bytes]), lengths)
    fitting = [size for size in (1, 2, 4, 8) if np.array_equal(gaps, held * size)]
    if not fitting or index.dtype.itemsize in fitting:
        return True
    found.add(
        "wrong_dtype",
        f"byte 17 of {index.path} says {index.dtype.name}, {index.dtype.itemsize} bytes an id; "
        f"the sequences lie as those of ids of {fitting[0]} bytes do",
    )
    return False


def check_index(index: Index, found: Findings) -> bool:
    """Look at every entry of the arrays; False if the ends of the documents cannot be relied on."""
    before = len(found.faults)
    for start in range(0, index.sequences, index.block):
        _check_sequences(index, start, found)
    _check_documents(index, found)
    return len(found.faults) == before


def _check_sequences(index: Index, start: int, found: Findings) -> None:
    """One block of sequences, and the step to it from the one before."""
    before = min(start, 1)
    count = min(index.block, index.sequences - start) + before
    lengths, pointers = index.lengths(start - before, count), index.pointers(start - before, count)
    expected = np.append(0, pointers[:-1] + lengths[:-1] * index.dtype.itemsize)
    expected[0] = pointers[0] if before else 0

    def length_place(at: int) -> str:
        sequence = start - before + at
        return f"sequence {sequence:,} has {lengths[at]:,} tokens (byte {index.length_offset(sequence):,} of the .idx)"

    def pointer_place(at: int) -> str:
        sequence = start - before + at
        place = f"sequence {sequence:,} begins at byte {pointers[at]:,} of the .bin, not at {expected[at]:,}"
        return f"{place} (byte {index.pointer_offset(sequence):,} of the .idx, or the length before)"

    found.add_all("negative_length", np.flatnonzero(lengths[before:] < 0) + before, length_place)
    found.add_all("wrong_pointer", np.flatnonzero(pointers != expected), pointer_place)


def _check_documents(index: Index, found: Findings) -> None:
    previous, empty = 0, 0
    for start in range(0, index.header.entries, index.block):
        firsts = index.first_sequences(start, min(index.block, index.header.entries - start))
        before = np.append(previous, firsts[:-1])
        wrong = (firsts < before) | (firsts > index.sequences)
        wrong[0] |= start == 0 and firsts[0] != 0

        def place(at: int, start: int = start, firsts: Array = firsts, before: Array = before) -> str:
            came = f", the one before it at {before[at]:,}" if start + at else " and not at 0"
            return (
                f"document {start + at:,} begins at sequence {firsts[at]:,} of {index.sequences:,}{came} "
                f"(byte {index.document_offset(start + at):,} of the .idx)"
            )

        found.add_all("wrong_document_index", np.flatnonzero(wrong), place)
        empty += int(np.count_nonzero(firsts == before)) - (start == 0)
        previous = int(firsts[-1])
    if previous != index.sequences or not index.header.entries:
        found.add("wrong_document_index", f"it ends at sequence {previous:,} of {index.sequences:,}")
    if empty > 0:
        found.notes.append(f"{empty:,} documents hold no tokens, as Megatron's preprocess_data.py writes empty texts")


def check_bin_size(index: Index, bin_bytes: int, found: Findings) -> None:
    """The .bin ends where the last sequence does."""
    end = index.begin(index.sequences)
    if bin_bytes > end:
        found.add("bin_too_long", f"it has {bin_bytes:,} bytes, the sequences end at byte {end:,}")
    if bin_bytes < end:
        cut = bisect.bisect_right(range(index.sequences), bin_bytes, key=index.begin) - 1
        found.add(
            "bin_cut_short",
            f"it has {bin_bytes:,} bytes, the sequences end at byte {end:,}; sequence {cut:,} is the first not whole",
        )
