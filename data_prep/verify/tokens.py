"""The .bin: every token looked at in the one pass that also takes the checksum, in two buffers of fixed size."""

import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.indexed_dataset import Array
from data_prep.verify.faults import Findings

BLOCK = 1 << 22
"""Bytes read at once; a multiple of every size of id."""


@dataclass(frozen=True, kw_only=True)
class KnownIds:
    """Which ids a dataset may hold."""

    size: int
    """Of the vocabulary: every id is below."""
    eod_id: int
    bos_id: int | None = None
    """What every document begins with; None if with its text."""


def scan(path: Path, checks: "TokenChecks | None", block: int = BLOCK) -> str:
    """Hex SHA-256 of a .bin whose tokens have passed through `checks`; a thread hashes one block meanwhile."""
    digest = hashlib.sha256()
    hashing: Future[None] = Future()
    hashing.set_result(None)
    with ThreadPoolExecutor(1) as pool:
        for part in _blocks(path, block):
            hashing.result()
            hashing = pool.submit(digest.update, part)
            if checks:
                checks.look(part)
    if checks:
        checks.finish()
    return digest.hexdigest()


def _blocks(path: Path, size: int) -> Iterator[memoryview]:
    """The bytes of a file; a block is overwritten when the next but one is asked for."""
    size = min(size, max(1, path.stat().st_size))
    with path.open("rb") as file:
        for buffer in itertools.cycle((memoryview(bytearray(size)), memoryview(bytearray(size)))):
            filled = file.readinto(buffer)
            if not filled:
                return
            yield buffer[:filled]


class Ends:
    """Token offsets behind the documents, taken from the index as the pass over the .bin comes to them."""

    def __init__(self, blocks: Iterator[Array]) -> None:
        self._blocks = blocks
        self._ready = next(blocks, np.empty(0, np.int64))

    def until(self, limit: int) -> Array:
        """Those up to `limit` that were not taken yet."""
        parts = []
        while self._ready.size:
            cut = int(np.searchsorted(self._ready, limit, side="right"))
            parts.append(self._ready[:cut])
            self._ready = self._ready[cut:]
            if self._ready.size:
                break
            self._ready = next(self._blocks, self._ready)
        return np.concatenate(parts) if parts else self._ready

    @property
    def following(self) -> Array:
        """The next one, or nothing behind the last."""
        return self._ready[:1]


@dataclass
class TokenChecks:
    """Looks at the ids block by block.

    Attributes:
        dtype: Of the ids in the .bin.
        known: None if nobody knows which ids there are; then only negative ones are faults.
        ends: None if the index does not say reliably where documents end.
        found: Where faults go.
        tokens: Seen so far.
        documents: Ended so far.
        ended: Token behind the last of them.
    """

    dtype: "np.dtype[Any]"
    known: KnownIds | None
    ends: Ends | None
    found: Findings
    tokens: int = 0
    documents: int = 0
    ended: int = 0

    def look(self, block: memoryview) -> None:
        """The next bytes of the .bin; an id cut off at its end is left to the check of its size."""
        ids = np.frombuffer(block[: len(block) - len(block) % self.dtype.itemsize], self.dtype)
        ends = self.ends.until(self.tokens + len(ids)) if self.ends else np.empty(0, np.int64)
        self._check_range(ids, ends)
        if self.known and self.ends:
            self._check_eod(ids, ends, self.known, self.ends.following)
        self.tokens += len(ids)
        self.documents += len(ends)

    def finish(self) -> None:
        """Where most documents end without EOD while it stands elsewhere, the fault is in the pair, not in each."""
        missing = self.found.count("missing_eod")
        elsewhere = self.found.count("inner_eod") + self.found.count("doubled_eod")
        if self.known and elsewhere and missing > max(1, self.documents // 2):
            places = self.found.faults["missing_eod"].places[:1]
            for code in ("missing_eod", "inner_eod", "doubled_eod"):
                self.found.faults.pop(code, None)
            self.found.add(
                "mixed_up_pair",
                f"{missing:,} of {self.documents:,} documents of the .idx do not end with EOD (id "
                f"{self.known.eod_id}), which stands at {elsewhere:,} other places; the first is {places[0]}",
            )

    def _check_range(self, ids: Array, ends: Array) -> None:
        if self.known:
            limit = self.known.size
        elif self.dtype.kind == "i":
            limit = 1 << (8 * self.dtype.itemsize - 1)
        else:
            return
        # Read as unsigned, a negative id is beyond every vocabulary: one comparison finds both.
        unsigned = ids.view(f"<u{self.dtype.itemsize}")
        if not ids.size or int(unsigned.max()) < limit:
            return
        last = f"; the last id is {limit - 1:,}" if self.known else ""
        self.found.add_all(
            "id_out_of_vocabulary",
            np.flatnonzero(unsigned >= limit),
            lambda at: f"{self._place(self.tokens + at, ends)} is {ids[at]:,}{last}",
        )

    def _check_eod(self, ids: Array, ends: Array, known: KnownIds, following: Array) -> None:
        there = np.flatnonzero(ids == known.eod_id) + self.tokens
        last = int(ends[-1]) if ends.size else self.ended
        if not following.size:
            there = there[there < last]
        expected = ends[ends > np.append(self.ended, ends[:-1])] - 1
        if known.bos_id == known.eod_id:
            begins = np.append(self.ended, ends)
            there = there[~np.isin(there, begins) | np.isin(there, expected)]
        self.ended = last
        if np.array_equal(there, expected):
            return
        elsewhere = np.setdiff1d(there, expected, assume_unique=True)
        near = np.append(ends, following)
        is_doubled = near[np.searchsorted(near, elsewhere, side="right")] == elsewhere + 2

        def place(token: int) -> str:
            return self._place(token, ends)

        missing = np.setdiff1d(expected, there, assume_unique=True)
        self.found.add_all("missing_eod", missing, lambda at: f"{place(at)} is {ids[at - self.tokens]:,}")
        self.found.add_all("doubled_eod", elsewhere[is_doubled], place)
        self.found.add_all("inner_eod", elsewhere[~is_doubled], place)

    def _place(self, token: int, ends: Array) -> str:
        place = f"token {token:,} (byte {token * self.dtype.itemsize:,} of the .bin)"
        if not self.ends:
            return place
        return f"{place} in document {self.documents + int(np.searchsorted(ends, token, side='right')):,}"
