"""The side files of step `signatures`, written shard by shard and read by document number.

Four files a shard, little-endian, without headers, for `count` documents and `bands` bands:

    <shard>.keys     uint64 [2 + bands, count]   hashed ids, hashed words, then the keys of each band
    <shard>.minima   uint16 [count, 128]         MinHash signatures
    <shard>.ids      the ids in UTF-8, end to end
    <shard>.ends     int64 [count]               where each id ends

With 16 bands that is 408 bytes a document and its id. Rows of keys are read whole, the rest one document at a time.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.dedup import minhash
from data_prep.dedup.words import Hashes, content_key, hash_text, word_hashes
from data_prep.documents import Dataset, Document
from data_prep.errors import DataError
from data_prep.files import atomic_write

ID_ROW, CONTENT_ROW, FIRST_BAND_ROW = 0, 1, 2
BATCH = 512
"""Documents hashed before they are written, and pairs compared at once."""

Numbers = NDArray[np.int64]
_SIGNATURE_BYTES = 2 * minhash.HASHES


@dataclass(frozen=True, kw_only=True)
class IndexedShard:
    """One shard of the corpus with its place in the order of preference."""

    dataset: Dataset
    base: Path
    """Path of the side files without their endings."""
    first: int
    """Number of the first document."""
    count: int

    @property
    def keys(self) -> Path:
        """Hashed ids, hashed words and band keys."""
        return self.base.with_name(f"{self.base.name}.keys")

    @property
    def minima(self) -> Path:
        """MinHash signatures."""
        return self.base.with_name(f"{self.base.name}.minima")

    @property
    def ids(self) -> Path:
        """Ids, end to end."""
        return self.base.with_name(f"{self.base.name}.ids")

    @property
    def ends(self) -> Path:
        """Where each id ends."""
        return self.base.with_name(f"{self.base.name}.ends")

    @property
    def files(self) -> tuple[Path, ...]:
        """All four."""
        return (self.keys, self.minima, self.ids, self.ends)

    def row(self, row: int) -> Hashes:
        """One row of keys."""
        return np.fromfile(self.keys, "<u8", self.count, offset=8 * row * self.count)


@dataclass(frozen=True, kw_only=True)
class Hashing:
    """What shapes the hashes of a text."""

    ngram: int
    bands: int
    rows: int


def write_shard(shard: IndexedShard, documents: Iterable[Document], hashing: Hashing) -> tuple[Path, ...]:
    """Hash every document of a shard, holding BATCH at a time.

    Raises:
        DataError: The shard holds another number of documents than its receipt says.
    """
    done = end = 0
    remaining = iter(documents)
    with contextlib.ExitStack() as stack:
        keys, minima, ids, ends = (stack.enter_context(atomic_write(path)) for path in shard.files)
        while batch := list(islice(remaining, BATCH)):
            if done + len(batch) > shard.count:
                raise _miscounted(shard, f"more than {shard.count}")
            block, signatures = _hash_batch(batch, hashing)
            for row, values in enumerate(block):
                keys.seek(8 * (row * shard.count + done))
                keys.write(values.tobytes())
            minima.write(signatures.tobytes())
            names = [document.id.encode() for document in batch]
            ids.write(b"".join(names))
            ends.write((end + np.cumsum([len(name) for name in names])).astype("<i8").tobytes())
            end += sum(map(len, names))
            done += len(batch)
        if done < shard.count:
            raise _miscounted(shard, str(done))
    return shard.files


def _hash_batch(documents: Sequence[Document], hashing: Hashing) -> tuple[Hashes, minhash.Signatures]:
    """Rows of keys, and signatures."""
    words = [word_hashes(document.text) for document in documents]
    smallest = np.stack([minhash.minima(minhash.shingles(each, hashing.ngram)) for each in words])
    ids = np.array([hash_text(document.id) for document in documents], np.uint64)
    contents = np.array([content_key(each) for each in words], np.uint64)
    keys = np.vstack([ids, contents, minhash.band_keys(smallest, hashing.bands, hashing.rows)]).astype("<u8")
    return keys, minhash.signatures(smallest)


def _miscounted(shard: IndexedShard, found: str) -> DataError:
    return DataError(
        f"{shard.dataset.name}/{shard.base.name} holds {found} documents, its receipt says {shard.count}",
        where=str(shard.base),
        why="documents are numbered by these counts, so that others would be dropped in place of duplicates",
        fix="delete the receipt of that shard in the folder of the stage before dedup, and run `langadapt prep` again",
    )


@dataclass(frozen=True, kw_only=True)
class Index:
    """Every document by its number."""

    shards: tuple[IndexedShard, ...]

    @property
    def documents(self) -> int:
        """How many there are."""
        return sum(shard.count for shard in self.shards)

    def locate(self, numbers: Numbers) -> Iterator[tuple[IndexedShard, Numbers]]:
        """The shards of ascending numbers, each with the positions in it."""
        bounds = np.searchsorted(numbers, [shard.first for shard in self.shards] + [self.documents])
        for shard, start, stop in zip(self.shards, bounds[:-1], bounds[1:], strict=True):
            if start < stop:
                yield shard, numbers[start:stop] - shard.first

    def shard_of(self, numbers: Numbers) -> Numbers:
        """Position in `shards` of the shard of each number."""
        return np.searchsorted([shard.first + shard.count for shard in self.shards], numbers, side="right")

    def similarity(self, left: Numbers, right: Numbers) -> NDArray[np.float64]:
        """The share of places in which the signatures of each pair agree."""
        parts = [
            (self._signatures(left[start : start + BATCH]) == self._signatures(right[start : start + BATCH])).mean(1)
            for start in range(0, len(left), BATCH)
        ]
        return np.concatenate([np.empty(0), *parts])

    def same_id(self, left: Numbers, right: Numbers) -> NDArray[np.float64]:
        """1 where both documents of a pair have the same id, else 0."""
        pairs = zip(self.ids(left), self.ids(right), strict=True)
        return np.array([one == other for one, other in pairs], np.float64)

    def content_keys(self, numbers: Numbers) -> Hashes:
        """The hashed words of documents."""
        unique, inverse = np.unique(numbers, return_inverse=True)
        parts = [
            _read(shard.keys, 8 * (CONTENT_ROW * shard.count + positions), 8)
            for shard, positions in self.locate(unique)
        ]
        return np.frombuffer(b"".join(parts), "<u8")[inverse]

    def ids(self, numbers: Numbers) -> list[str]:
        """The ids of documents."""
        unique, inverse = np.unique(numbers, return_inverse=True)
        names = [name for shard, positions in self.locate(unique) for name in _read_ids(shard, positions)]
        return [names[place] for place in inverse.tolist()]

    def _signatures(self, numbers: Numbers) -> minhash.Signatures:
        unique, inverse = np.unique(numbers, return_inverse=True)
        parts = [
            _read(shard.minima, positions * _SIGNATURE_BYTES, _SIGNATURE_BYTES)
            for shard, positions in self.locate(unique)
        ]
        return np.frombuffer(b"".join(parts), "<u2").reshape(-1, minhash.HASHES)[inverse]


def _read(path: Path, offsets: Numbers, size: int) -> bytes:
    """Pieces of a file end to end; read, not mapped: a mapping keeps what it touched in memory."""
    with path.open("rb", buffering=0) as file:
        return b"".join(os.pread(file.fileno(), size, offset) for offset in offsets.tolist())


def _read_ids(shard: IndexedShard, positions: Numbers) -> list[str]:
    with shard.ends.open("rb", buffering=0) as ends, shard.ids.open("rb", buffering=0) as ids:
        return [_read_id(ends.fileno(), ids.fileno(), position) for position in positions.tolist()]


def _read_id(ends: int, ids: int, position: int) -> str:
    before = int.from_bytes(os.pread(ends, 8, 8 * (position - 1)), "little") if position else 0
    end = int.from_bytes(os.pread(ends, 8, 8 * position), "little")
    return os.pread(ids, end - before, before).decode()
