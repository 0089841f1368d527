"""The words new pieces are learnt from, as the base tokenizer cuts them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import regex

from data_prep.errors import UsageError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "\u2581"
"""What a space is inside SentencePiece."""

_JOINERS = "\u200c\u200d"

Symbols = tuple[str, ...]
"""A word as the base tokenizer cuts it; what it spells in bytes or does not know, as characters."""


def word_pattern(lang: str) -> "regex.Pattern[str]":
    """Runs of letters and marks of the language's script, with the space before them.

    Digits, punctuation and other scripts stay as the base has them, so text in other scripts is encoded as before.

    Raises:
        UsageError: The language has no script that Unicode knows.
    """
    script = lang.partition("-")[2]
    try:
        return regex.compile(rf"(?V1){SPACE}?[[\p{{Script={script}}}&&[\p{{L}}\p{{M}}]]{_JOINERS}]+")
    except regex.error:
        raise UsageError(
            f"{lang!r} names no single script of Unicode",
            where="lang",
            why="new pieces hold letters of one script, so that other languages keep their encoding",
            fix="lang=hi-Deva, the language with the ISO 15924 code of its script",
        ) from None


def find_words(texts: Iterable[str], lang: str, base: "SentencePieceProcessor") -> Iterator[list[str]]:
    """The words of each text in order, after the tokenizer's own normalisation, spaces as SentencePiece writes them."""
    pattern = word_pattern(lang)
    return (pattern.findall(base.normalize(text).replace(" ", SPACE)) for text in texts)


def cut(words: Mapping[str, int], base: "SentencePieceProcessor") -> dict[Symbols, int]:
    """The words' counts by how the base cuts them.

    Args:
        words: With their counts.
        base: Without a dummy prefix (`merge.bare`), which would put a second space before each word.
    """
    return {_symbols(word, base): count for word, count in words.items()}


def _symbols(word: str, base: "SentencePieceProcessor") -> Symbols:
    symbols: list[str] = []
    for piece in base.encode(word, return_type="proto").pieces:
        spelt_out = base.is_byte(piece.id) or base.is_unknown(piece.id)
        symbols += list(piece.surface) if spelt_out else [piece.piece]
    return tuple(symbols)
