"""A text as numbers: one per word, the same however the word is written down.

Two texts whose words agree are the same text to this stage. Case, white space, punctuation (a danda is one), canonical
Unicode forms, joiners and other invisible characters, and the script of decimal digits make no difference. Letters
and combining marks do: without its vowel signs a Hindi word is another word, and datatrove's normalisation, which
drops them, merges 17 % of them.

A language written without spaces has few words by this rule, whole clauses, so its near duplicates must be nearer.
"""

import unicodedata
from itertools import chain

import numpy as np
import regex
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

MOST_REMEMBERED = 200_000
"""Spellings whose hashes are remembered: about 50 MB, more than 95 % of running text."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_INVISIBLE = regex.compile(r"\p{Cf}+")
_OTHER_DIGIT = regex.compile(r"[^\P{Nd}0-9]")


def hash_text(text: str) -> int:
    """64 bits that stand for a string."""
    return xxhash.xxh3_64_intdigest(text.encode())


def words_of(text: str) -> list[str]:
    """The words of a text in the form they are compared in."""
    visible = _INVISIBLE.sub("", text)
    folded = unicodedata.normalize("NFC", visible.casefold())
    found: list[str] = _WORD.findall(_OTHER_DIGIT.sub(_ascii_digit, folded))
    return found


def _ascii_digit(match: regex.Match[str]) -> str:
    return str(unicodedata.decimal(match[0]))


class _Remembered(dict[str, tuple[int, ...]]):
    """Hashes of the words in what stands between two spaces; text repeats itself, so most are looked up."""

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        hashes = tuple(map(hash_text, words_of(chunk)))
        self[chunk] = hashes
        return hashes


_remembered = _Remembered()


def word_hashes(text: str) -> Hashes:
    """One hash for each word in order; a text without words, e.g. of emoji, is one word."""
    hashes = np.array([*chain.from_iterable(map(_remembered.__getitem__, text.split()))], np.uint64)
    return hashes if hashes.size else np.array([hash_text(" ".join(text.split()))], np.uint64)


def content_key(words: Hashes) -> int:
    """The same for two texts exactly when their words are the same in the same order (but for 1 in 2**64)."""
    return xxhash.xxh3_64_intdigest(words.tobytes())
