"""Hashes of all runs of words of many texts at once.

The hash of an n-gram is the polynomial of its words' 64-bit hashes in `_BASE`, modulo 2^64. numpy computes it for
every position of a batch of texts in one pass a word, and meets every shorter length on the way.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.decontaminate.normalize import HASH_BYTES

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

_BASE = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio; odd, so that multiplying by it loses nothing."""


class WordRun(NamedTuple):
    """The words of several texts, one after another."""

    hashes: Hashes
    offsets: Numbers
    """Where each text begins, and the end of the last."""


def word_run(texts: Sequence[bytes]) -> WordRun:
    """Texts as `WordHashes.of` gives them, joined."""
    lengths = [len(text) // HASH_BYTES for text in texts]
    return WordRun(np.frombuffer(b"".join(texts), dtype="<u8"), np.cumsum([0, *lengths], dtype=np.int64))


def rolling(words: Hashes, longest: int) -> Iterator[tuple[int, Hashes]]:
    """For every length up to `longest`, the hash of the n-gram that begins at each word.

    n-grams may reach over the end of a text: the caller leaves those out. The array is changed by the next step.
    """
    hashes = np.zeros(len(words), dtype=np.uint64)
    for length in range(1, min(longest, len(words)) + 1):
        hashes = hashes[: len(words) - length + 1]
        hashes *= _BASE
        hashes += words[length - 1 :]
        yield length, hashes
