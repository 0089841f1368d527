"""What is dropped for what.

Pairs join documents into groups of which any two may be far apart: ten versions of a page, each much like the next.
So a group is only a place to look. In it the best document stays and takes those like it with it, then the best of
the rest; every dropped document is as similar to the one kept in its place as the threshold asks.

Memory: 1 byte for each document of the corpus and about 60 for each that has a pair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.dedup.candidates import elect, read_pairs
from data_prep.dedup.index import Index, Numbers

REASONS = ("duplicate_id", "exact_duplicate", "near_duplicate")


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The dropped documents in ascending order, each with the one kept in its place."""

    dropped: Numbers
    kept: Numbers
    reasons: NDArray[np.int64]
    """Positions in REASONS."""
    similarities: NDArray[np.float64]
    paired: int
    """Documents with at least one pair."""
    undecided: int


def judge(index: Index, id_pairs: Sequence[Path], pairs: Sequence[Path], threshold: float) -> Verdicts:
    """Decide about every document that has a pair."""
    first, later = _joined(map(read_pairs, id_pairs))
    nodes, roots = _groups(index.documents, pairs)
    alone = ~np.isin(nodes, later)
    order = np.lexsort((nodes[alone], roots[alone]))
    near = elect(roots[alone][order], nodes[alone][order], index.similarity, threshold)
    exact = index.content_keys(near.leaders) == index.content_keys(near.followers)
    dropped = np.concatenate([later, near.followers])
    ascending = np.argsort(dropped)
    return Verdicts(
        dropped=dropped[ascending],
        kept=np.concatenate([first, near.leaders])[ascending],
        reasons=np.concatenate([np.zeros(len(later), np.int64), np.where(exact, 1, 2)])[ascending],
        similarities=np.concatenate([index.similarity(first, later), near.similarities])[ascending],
        paired=len(nodes),
        undecided=near.undecided,
    )


def _joined(pairs: Iterable[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    none = np.empty(0, np.int64)
    left, right = zip((none, none), *pairs, strict=True)
    return np.concatenate(left), np.concatenate(right)


def _groups(documents: int, files: Sequence[Path]) -> tuple[Numbers, Numbers]:
    """The documents that have a pair, and for each the place of the best document it is joined with."""
    has_pair = np.zeros(documents, bool)
    for path in files:
        for side in read_pairs(path):
            has_pair[side] = True
    nodes = np.flatnonzero(has_pair)
    parents = np.arange(len(nodes))
    for path in files:
        leaders, followers = read_pairs(path)
        unite(parents, np.searchsorted(nodes, leaders), np.searchsorted(nodes, followers))
    return nodes, parents


def unite(parents: Numbers, left: Numbers, right: Numbers) -> None:
    """Union-find over whole arrays: join each left element with its right one, the smaller root on top.

    Args:
        parents: The root of each element; changed in place.
        left: Elements to join.
        right: What to join them with.
    """
    while left.size:
        left, right = parents[left], parents[right]
        apart = left != right
        left, right = left[apart], right[apart]
        np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(above := parents[parents], parents):
            parents[:] = above
