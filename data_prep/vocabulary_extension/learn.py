"""Byte-pair learning continued from where the base tokenizer stopped.

A tokenizer trained afresh on the language and pasted onto the base has pieces the merged model cannot reach, since
the base's merges come first and take other ways, and pieces that it hardly uses. Here merges are counted over text as
the base cuts it, so each new piece is what the extended tokenizer really produces, in the order of the tokens saved
(the idea of continued BPE training, e.g. arXiv 2512.03989; this is our own code).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from itertools import chain, islice, pairwise

from data_prep.vocabulary_extension.words import Symbols

MIN_COUNT = 2
"""A piece seen once in the text is the memory of one word."""

LONGEST_PIECE = 16
"""Characters; SentencePiece's own default."""


def learn(cuts: Mapping[Symbols, int], known: Container[str], count: int) -> list[str]:
    """At most `count` new pieces, the most useful first: missing characters, then merges.

    Args:
        cuts: Words as the base cuts them, with their counts.
        known: Pieces the base has.
        count: How many to learn; fewer where nothing is left that occurs `MIN_COUNT` times.
    """
    return list(islice(chain(_missing_characters(cuts, known), _Learner(cuts, known).merges()), count))


def _missing_characters(cuts: Mapping[Symbols, int], known: Container[str]) -> list[str]:
    """Characters the base spells in bytes or not at all, by count."""
    counts: Counter[str] = Counter()
    for symbols, count in cuts.items():
        for symbol in symbols:
            if len(symbol) == 1 and symbol not in known:
                counts[symbol] += count
    return sorted((each for each in counts if counts[each] >= MIN_COUNT), key=lambda each: (-counts[each], each))


class _Learner:
    """Counts of what neighbouring symbols would join to, kept up to date while pieces are added.

    SentencePiece joins any two neighbours whose joined text is a piece, so counts are by that text, not by pair.
    """

    def __init__(self, cuts: Mapping[Symbols, int], known: Container[str]) -> None:
        self._known = known
        self._words = [list(symbols) for symbols in cuts]
        self._counts = list(cuts.values())
        self._rank: dict[str, int] = {}
        self._joined: Counter[str] = Counter()
        self._where: defaultdict[str, set[int]] = defaultdict(set)
        for index in range(len(self._words)):
            self._count(index, 1)
        self._heap = [(-count, piece) for piece, count in self._joined.items()]
        heapq.heapify(self._heap)

    def merges(self) -> Iterator[str]:
        """New pieces, the most frequent first, equals in the order of their text."""
        while self._heap:
            count, piece = heapq.heappop(self._heap)
            if -count != self._joined[piece] or not self._is_candidate(piece):
                continue  # counted anew since, and then pushed again
            self._rank[piece] = len(self._rank)
            for index in sorted(self._where.pop(piece)):
                self._merge(index)
            yield piece

    def _is_candidate(self, piece: str) -> bool:
        is_new = piece not in self._rank and piece not in self._known
        return is_new and self._joined[piece] >= MIN_COUNT and len(piece) <= LONGEST_PIECE

    def _merge(self, index: int) -> None:
        before = set(self._neighbours(index))
        self._count(index, -1)
        apply(self._words[index], self._rank)
        self._count(index, 1)
        for piece in before.union(self._neighbours(index)):
            if self._is_candidate(piece):
                heapq.heappush(self._heap, (-self._joined[piece], piece))

    def _count(self, index: int, sign: int) -> None:
        for piece in self._neighbours(index):
            self._joined[piece] += sign * self._counts[index]
            if sign > 0:
                self._where[piece].add(index)

    def _neighbours(self, index: int) -> list[str]:
        word = self._words[index]
        return [left + right for left, right in pairwise(word)]


def apply(word: list[str], rank: Mapping[str, int]) -> None:
    """Join neighbours in place as SentencePiece does: the best-ranked piece first, the leftmost of equals."""
    unranked = len(rank)
    while len(word) > 1:
        at = min(range(len(word) - 1), key=lambda index: rank.get(word[index] + word[index + 1], unranked))
        joined = word[at] + word[at + 1]
        if joined not in rank:
            return
        word[at : at + 2] = [joined]
