"""Pairs of documents that share a key and hold up when compared.

The documents of one key are compared with the best of them; those that are unlike it with the best of themselves, and
so on. Comparing every one with every other would take days where a million pages share a template.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.dedup.index import ID_ROW, Index, Numbers
from data_prep.dedup.words import Hashes
from data_prep.files import atomic_write

MOST_ROUNDS = 1000
"""Leaders tried for one document. Who is unlike all of them stays, and is counted as undecided."""

Measure = Callable[[Numbers, Numbers], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Elected:
    """Documents that follow another, each with the leader it is most likely a copy of."""

    leaders: Numbers
    followers: Numbers
    similarities: NDArray[np.float64]
    undecided: int
    """Documents that were not compared with every leader of their group."""


def elect(groups: NDArray[np.int64], numbers: Numbers, measure: Measure, threshold: float) -> Elected:
    """In every group, let the best document lead those like it; then the best of the rest, and so on.

    Args:
        groups: The group of each document, ascending.
        numbers: The documents, ascending within a group.
        measure: The similarity of pairs.
        threshold: Least similarity of a follower.
    """
    found: list[tuple[Numbers, Numbers, NDArray[np.float64]]] = []
    for _ in range(MOST_ROUNDS):
        starts = np.diff(groups, prepend=-1) != 0
        leaders = numbers[starts][np.cumsum(starts) - 1][~starts]
        groups, numbers = groups[~starts], numbers[~starts]
        if not numbers.size:
            break
        similarities = measure(leaders, numbers)
        alike = similarities >= threshold
        found.append((leaders[alike], numbers[alike], similarities[alike]))
        groups, numbers = groups[~alike], numbers[~alike]
    none = np.empty(0, np.int64)
    columns = zip((none, none, np.empty(0)), *found, strict=True)
    leaders, followers, similarities = (np.concatenate(column) for column in columns)
    return Elected(leaders=leaders, followers=followers, similarities=similarities, undecided=len(numbers))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The documents whose keys of one row lie in one of `parts` equal ranges, and when two of them are a pair."""

    row: int
    part: int
    parts: int
    threshold: float


def find_pairs(index: Index, what: Comparison) -> Elected:
    """Verified pairs."""
    keys, numbers = _keys_in(index, what)
    order = np.argsort(keys, kind="stable")
    keys, numbers = keys[order], numbers[order]
    groups = np.cumsum(np.append(keys[:1] == keys[:1], keys[1:] != keys[:-1]))
    shared = np.bincount(groups)[groups] > 1
    groups, numbers = groups[shared], numbers[shared]
    if what.row == ID_ROW:
        return elect(groups, numbers, index.same_id, 1.0)
    return elect(groups, numbers, index.similarity, what.threshold)


def _keys_in(index: Index, what: Comparison) -> tuple[Hashes, Numbers]:
    """The keys of one range with their documents, in the order of the numbers."""
    keys, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    half, part, parts = np.uint64(32), np.uint64(what.part), np.uint64(what.parts)
    for shard in index.shards:
        every = shard.row(what.row)
        chosen = np.flatnonzero((every >> half) * parts >> half == part)
        keys.append(every[chosen])
        numbers.append(shard.first + chosen)
    return np.concatenate(keys), np.concatenate(numbers)


def write_pairs(path: Path, pairs: Elected) -> None:
    """Leaders, then followers, as int64."""
    with atomic_write(path) as file:
        file.write(np.stack([pairs.leaders, pairs.followers]).astype("<i8").tobytes())


def read_pairs(path: Path) -> tuple[Numbers, Numbers]:
    """Leaders and followers."""
    leaders, followers = np.fromfile(path, "<i8").reshape(2, -1)
    return leaders, followers
