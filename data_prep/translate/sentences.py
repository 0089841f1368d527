"""Sentence boundaries, by sentencex (MIT; rules and abbreviations of some 300 languages), and clauses of long ones."""

import re
from collections.abc import Iterator
from itertools import accumulate

from sentencex import segment

from data_prep.documents import primary_language

_SURROGATES = re.compile("[\ud800-\udfff]")
_CLAUSE = re.compile(r"[,;:،؛、，；：।॥][\"'”’)\]]*\s+|\s+[–—-]\s+")
_SPACE = re.compile(r"\s+")
_LETTER_PARTS = re.compile(r"[\u0300-\u036f\u0900-\u0903\u093a-\u094f\u200c\u200d\ufe0f]")


def boundaries(text: str, lang: str) -> list[int]:
    """Where each sentence but the first begins, white space counted to the sentence before it."""
    language = primary_language(lang)
    try:
        sentences = segment(language, text)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and UTF-8 cannot
        sentences = segment(language, _SURROGATES.sub("x", text))
    return list(accumulate(map(len, sentences)))[:-1]


def clauses(text: str, limit: int) -> Iterator[int]:
    """Where to cut a sentence longer than `limit`.

    Each piece ends as late as possible in the second half of what it may hold: at a clause mark (comma, semicolon,
    colon, dash), else at white space, else between two letters.
    """
    start = 0
    while len(text) - start > limit:
        start = _last(_CLAUSE, text, start, limit) or _last(_SPACE, text, start, limit) or _hard(text, start + limit)
        yield start


def _last(pattern: re.Pattern[str], text: str, start: int, limit: int) -> int:
    """The end of the last match in the second half of the `limit` characters, or 0."""
    ends = [found.end() for found in pattern.finditer(text, start + limit // 2, start + limit)]
    return ends[-1] if ends else 0


def _hard(text: str, stop: int) -> int:
    for place in range(stop, stop - 16, -1):
        if not _LETTER_PARTS.match(text, place):
            return place
    return stop
