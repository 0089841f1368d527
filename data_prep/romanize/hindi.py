"""Hindi in Latin letters as people type it: "भारत एक विशाल देश है" -> "bharat ek vishal desh hai".

Text is cut at spaces and every piece looked up: most of running text has been seen before. Everything that is not
Devanagari stays; the danda becomes a full stop, digits become ASCII.
"""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache

from data_prep.romanize.letters import canonical
from data_prep.romanize.lexicon import spellings
from data_prep.romanize.protected import outside
from data_prep.romanize.spelling import habits, spell

_CACHED, _LONGEST = 1 << 18, 64
"""Pieces and words kept, about 80 MB, and their length: longer ones hardly come again."""

_WORD = re.compile("[\u0900-\u0963\u0971-\u097f][\u0900-\u0963\u0971-\u097f\u200c\u200d]*")
_OTHER = str.maketrans({"।": ".", "॥": ".", "॰": "."} | {chr(0x966 + digit): str(digit) for digit in range(10)})


class _Pieces(dict[str, str]):
    """Piece of text -> the same in Latin letters, made when first asked for."""

    def __init__(self, spell_word: Callable[[str], str]) -> None:
        super().__init__()
        self._spell_word = spell_word

    def __missing__(self, piece: str) -> str:
        if _WORD.fullmatch(piece):
            latin = self._spell_word(piece)
        else:
            latin = _WORD.sub(lambda match: self._spell_word(match[0]), piece).translate(_OTHER)
        if len(piece) <= _LONGEST:
            if len(self) >= _CACHED:
                self.clear()
            self[piece] = latin
        return latin

    def romanize(self, text: str) -> str:
        """A text without protected parts."""
        return " ".join(map(self.__getitem__, text.split(" ")))


@lru_cache(maxsize=_CACHED)
def romanize_word(word: str) -> str:
    """The usual spelling of one Devanagari word."""
    word = canonical(word)
    listed = spellings(word)
    return listed[0] if listed else spell(word)


_USUAL = _Pieces(romanize_word)


def romanize(text: str) -> str:
    """Romanise the Devanagari in `text`; the rest stays."""
    return text if text.isascii() else outside(text, _USUAL.romanize)


@lru_cache(maxsize=_CACHED)
def other_spellings(word: str) -> tuple[str, ...]:
    """How else people type a word; none for most loan words."""
    letters = canonical(word)
    listed = spellings(letters)
    return listed[1:] if listed else habits(letters)


class Varied:
    """The spellings of one writer: a share of the words in another spelling, the same throughout a document.

    Args:
        document: Its id.
        share: Share of words, from 0 to 1.
        seed: With the id it decides who the writer is.
    """

    def __init__(self, *, document: str, share: float, seed: int) -> None:
        self._writer, self._share = f"{seed}\0{document}\0", share
        self._pieces = _Pieces(self._spell)

    def romanize(self, text: str) -> str:
        """Romanise the Devanagari in `text`; the rest stays."""
        return outside(text, self._pieces.romanize)

    def _spell(self, word: str) -> str:
        """A hash, not a draw in order: a word's spelling does not depend on the words before it."""
        others = other_spellings(word)
        digest = hashlib.blake2b((self._writer + word).encode(), digest_size=8).digest()
        draw = int.from_bytes(digest, "big") / 2**64
        if not others or draw >= self._share:
            return romanize_word(word)
        return others[int(draw / self._share * len(others))]
