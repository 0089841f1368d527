"""Finds evaluation n-grams in text. Also what `langadapt evaluate contamination` looks with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.decontaminate.index import Index, ItemName
from data_prep.decontaminate.ngrams import Hashes, Numbers, rolling, word_run
from data_prep.decontaminate.normalize import WordHashes

_SLOTS = 16
"""Most entries of the look-up table for each n-gram: one random word in 8 to 16 needs the binary search."""


class Match(NamedTuple):
    """Words of a text that an evaluation item holds too."""

    start: int
    """Number of the first word in the text, as normalize.words counts."""
    words: str
    """As compared (normalize.words)."""
    items: tuple[ItemName, ...]
    """Every (evaluation set, item id) that holds them."""
    ngram: int
    """Number in the index."""


class Hits(NamedTuple):
    """The n-grams found in a batch of texts, by text and place."""

    text: Numbers
    start: Numbers
    ngram: Numbers
    """Number in the index."""


class Matcher:
    """Looks for the n-grams of an index, in one text or, faster, in many.

    Memory of a process: up to 32 bytes an n-gram (16 more shared by all processes, in the page cache), the evaluation
    texts, 40 MB of remembered words, and about 100 bytes a word of the texts of one call.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self._words = WordHashes()
        self._mask = np.uint64((1 << (_SLOTS * max(len(index.hashes), 4096)).bit_length() - 1) - 1)
        self._table = np.zeros(int(self._mask) + 1, dtype=bool)
        self._table[index.hashes & self._mask] = True

    def matches(self, text: str) -> list[Match]:
        """Every n-gram of the index in a text, in order of place."""
        hits = self.find([text])
        return [self._match(int(start), int(ngram)) for start, ngram in zip(hits.start, hits.ngram, strict=True)]

    def find(self, texts: Sequence[str]) -> Hits:
        """Every n-gram of the index in each of the texts. About 500,000 characters at once are fastest."""
        run = word_run([self._words.of(text) for text in texts])
        longest = max(self.index.lengths, default=0)
        found = [
            self._look_up(hashes, run.offsets, length)
            for length, hashes in rolling(run.hashes, longest)
            if length in self.index.lengths
        ]
        hits = Hits(
            *(np.concatenate([each[column] for each in found] or [np.empty(0, np.int64)]) for column in range(3))
        )
        order = np.lexsort((hits.ngram, hits.start, hits.text))
        return Hits(*(column[order] for column in hits))

    def _look_up(self, hashes: Hashes, offsets: Numbers, length: int) -> Hits:
        """Those of the n-grams that are in the index and end inside their text."""
        places = np.flatnonzero(self._table[hashes & self._mask])
        numbers = np.searchsorted(self.index.hashes, hashes[places])
        numbers[numbers == len(self.index.hashes)] = 0
        is_hit = self.index.hashes[numbers] == hashes[places]
        places, numbers = places[is_hit], numbers[is_hit]
        texts = np.searchsorted(offsets, places, side="right") - 1
        is_inside = places + length <= offsets[texts + 1]
        return Hits(texts[is_inside], (places - offsets[texts])[is_inside], numbers[is_inside])

    def _match(self, start: int, ngram: int) -> Match:
        texts = (self.index.texts[text] for text in self.index.texts_of(ngram))
        items = dict.fromkeys(item for text in texts for item in text.items)
        return Match(start, self.index.words_of(ngram), tuple(items), ngram)
