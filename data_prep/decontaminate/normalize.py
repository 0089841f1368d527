"""What counts as the same word, and 64-bit hashes of words at the speed of a dictionary look-up.

Text is compared by its words alone. A word is letters, marks and numbers between anything else, after

- NFKC, so that composed and decomposed, full and half width forms agree;
- case folding; digits of every script as ASCII;
- dropping what is optional or invisible: nukta (Unicode class 7; many people do not type it), ZWJ, ZWNJ and the other
  format characters, variation selectors, enclosing marks.

Vowel signs, virama, anusvara and all other marks stay: they are the word. Languages written without spaces between
words are out of scope.
"""

import unicodedata
from collections.abc import Iterable

from xxhash import xxh3_64_digest

HASH_BYTES = 8

_NUKTA = 7
_WORD_CATEGORIES = "LMN"
_CACHED_WORDS = 1 << 18
"""About 40 MB; the text of a language keeps to fewer words than this for long."""
_CACHED_LENGTH = 64


class _Replacements(dict[int, str]):
    """What takes the place of a decomposed, case-folded character; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = replacement = _replacement(chr(code))
        return replacement


def _replacement(character: str) -> str:
    category = unicodedata.category(character)
    if _is_ignored(character, category):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return character if category[0] in _WORD_CATEGORIES else " "


def _is_ignored(character: str, category: str) -> bool:
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return (
        category in ("Cf", "Me")
        or is_selector
        or character == "\u034f"  # combining grapheme joiner
        or unicodedata.combining(character) == _NUKTA
    )


_REPLACEMENTS = _Replacements()


def words(text: str) -> list[str]:
    """The words of a text as they are compared."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKC", folded.translate(_REPLACEMENTS)).split()


def hash_words(compared: Iterable[str]) -> bytes:
    """The hashes of words, 8 bytes each, one after another."""
    return b"".join(xxh3_64_digest(word.encode()) for word in compared)


class WordHashes(dict[str, bytes]):
    """Text between two spaces -> the hashes of the words in it, 8 bytes each; computed once while it is remembered.

    Normalisation never looks across a space, so hashing piece by piece gives what hashing `words(text)` would.
    """

    def __missing__(self, piece: str) -> bytes:
        hashes = hash_words(words(piece))
        if len(piece) <= _CACHED_LENGTH:
            if len(self) >= _CACHED_WORDS:
                self.clear()
            self[piece] = hashes
        return hashes

    def of(self, text: str) -> bytes:
        """The hashes of the words of a text, one after another."""
        return b"".join(map(self.__getitem__, text.split()))
