"""Line breaks inside a sentence: read as spaces for the engine, put back at the same share of its translation."""

import re
from collections.abc import Iterator, Sequence

import regex

from data_prep.translate.inline import scan

_BREAK = re.compile(r"(?<![ \t])[ \t]*(?:\r\n?|\n)[ \t>]*|(?<=[ \t])(?:\r\n?|\n)[ \t>]*")
"""A line break with the white space and block-quote marks around it."""
_SPACE = re.compile(r"(?<![\\ ]) +(?=[^\W\d_])")
_CLUSTER = regex.compile(r"\X")


def unwrap(segment: str) -> str:
    """The segment on one line."""
    return _BREAK.sub(" ", segment) if "\n" in segment or "\r" in segment else segment


def rewrap(segment: str, translation: str) -> str:
    """The one-line `translation` with the line breaks of `segment`.

    Each break replaces the space nearest to its share of the text, outside protected pieces and before a letter: a
    line that began with `-`, `#` or `5.` might be a list item or a heading. In a text with too few spaces (Chinese,
    Thai) breaks stand between characters; one shorter than its line breaks stays on one line.
    """
    breaks = list(_BREAK.finditer(segment))
    if not breaks:
        return translation
    whole = unwrap(segment)
    if translation == whole:
        return segment
    places = _places(translation, [share / max(len(whole), 1) for share in _offsets(breaks)])
    parts, position = [], 0
    for found, (start, end) in zip(breaks, places, strict=False):
        parts += [translation[position:start], found[0]]
        position = end
    return "".join(parts) + translation[position:]


def _offsets(breaks: Sequence[re.Match[str]]) -> Iterator[int]:
    """Where the breaks' spaces are in the unwrapped segment."""
    shorter = 0
    for found in breaks:
        yield found.start() - shorter
        shorter += len(found[0]) - 1


def _stretches(text: str) -> Iterator[tuple[str, bool]]:
    """The text in stretches, each with whether it is a protected piece."""
    position = 0
    for piece in scan(text):
        yield text[position : piece.start], False
        yield text[piece.start : piece.end], True
        position = piece.end
    yield text[position:], False


def _places(translation: str, shares: Sequence[float]) -> list[tuple[int, int]]:
    """One stretch to replace for each break, in order."""
    kept = "".join("0" * len(text) if protected else text for text, protected in _stretches(translation))
    free = [found.span() for found in _SPACE.finditer(kept)]
    if len(free) < len(shares):
        free = [(found.start(), found.start()) for found in _CLUSTER.finditer(translation) if found.start()]
    if len(free) < len(shares):
        return []
    places, first = [], 0
    for number, share in enumerate(shares):
        last = len(free) - (len(shares) - number)
        best = min(range(first, last + 1), key=lambda index: abs(free[index][0] - share * len(translation)))
        places.append(free[best])
        first = best + 1
    return places
