"""MinHash signatures and their bands.

The signature of a text holds, for each of HASHES hash functions, the smallest value over the text's word n-grams. Two
texts agree in a place with a probability equal to their Jaccard similarity s, so the share of agreeing places
estimates s with a standard deviation of sqrt(s (1 - s) / 128), 0.035 at s = 0.8.

Texts are compared when they agree in all rows of at least one band, which happens with probability
1 - (1 - s**rows)**bands. `banding` takes the widest bands that find 90 % at the threshold. At 0.8 these are 16 bands of
8 rows:

    s             0.5    0.6    0.7    0.75   0.8    0.85   0.9
    probability   0.06   0.24   0.61   0.82   0.95   0.994  0.9999

datatrove's default, 14 x 8, finds 0.92 at 0.8, NeMo-Curator's, 20 x 13, 0.68. Both take every such pair for duplicates;
here the whole signature decides, so that wide bands cost time but no documents.
"""

import numpy as np
from numpy.typing import NDArray

from data_prep.dedup.words import Hashes

HASHES = 128
FOUND_AT_THRESHOLD = 0.9

Minima = NDArray[np.uint32]
Signatures = NDArray[np.uint16]

_AT_ONCE = 1024  # n-grams times HASHES times 4 bytes: half a megabyte, which stays in the processor's cache
_random = np.random.Generator(np.random.PCG64(20240906))
_FACTORS = _random.integers(0, 2**32, (HASHES, 1), np.uint32) | np.uint32(1)
_SUMMANDS = _random.integers(0, 2**32, (HASHES, 1), np.uint32)
_PLACES = _random.integers(0, 2**64, HASHES, np.uint64) | np.uint64(1)


def found(similarity: float, bands: int, rows: int) -> float:
    """The probability that two texts of this similarity agree in at least one band."""
    return float(1 - (1 - similarity**rows) ** bands)


def banding(threshold: float) -> tuple[int, int]:
    """Bands and rows: the widest bands that find most of what is as similar as the threshold."""
    return next(
        (HASHES // rows, rows)
        for rows in range(HASHES, 0, -1)
        if rows == 1 or found(threshold, HASHES // rows, rows) >= FOUND_AT_THRESHOLD
    )


def shingles(words: Hashes, ngram: int) -> NDArray[np.uint32]:
    """One hash for each run of `ngram` words; a shorter text is one run."""
    size = min(ngram, len(words))
    count = len(words) - size + 1
    sums = np.zeros(count, np.uint64)
    for place in range(size):
        sums += words[place : place + count] * _PLACES[place]
    return (sums >> np.uint64(32)).astype(np.uint32)


def minima(values: NDArray[np.uint32]) -> Minima:
    """The smallest value of each hash function a*x + b mod 2**32, where x is random already."""
    smallest = np.full(HASHES, 2**32 - 1, np.uint32)
    for start in range(0, len(values), _AT_ONCE):
        hashed = _FACTORS * values[start : start + _AT_ONCE]
        hashed += _SUMMANDS
        np.minimum(smallest, hashed.min(axis=1), out=smallest)
    return smallest


def signatures(rows: Minima) -> Signatures:
    """What is stored: the low halves, which agree by chance once in 65,536; the high ones are near zero."""
    return (rows & np.uint32(0xFFFF)).astype("<u2")


def band_keys(many: Minima, bands: int, rows: int) -> Hashes:
    """One key for each band of each text: [bands, texts]."""
    parts = many[:, : bands * rows].astype(np.uint64).reshape(len(many), bands, rows)
    keys: Hashes = (parts * _PLACES[:rows]).sum(axis=2, dtype=np.uint64).T
    return keys
