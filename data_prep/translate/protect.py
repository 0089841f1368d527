"""Pieces of a segment that no engine may change, replaced by placeholders and put back afterwards.

The placeholder is `<ID1>`: the one IndicTrans2's own toolkit uses, and a shape that NLLB, MADLAD and language models
copy like a tag, in letters and digits every SentencePiece vocabulary has. Engines still write it as `< ID 1 >`,
`[id1]` or `<आईडी१>`; all of these are read. A text that holds something alike gets it protected: the two never mix.
Placeholders are numbered in each segment: `See 3 dogs` and `See 4 dogs` become one segment for the cache.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.translate.inline import TOLD_APART, scan
from data_prep.translate.lines import unwrap
from data_prep.translate.marks import flanks, pairs

PLACEHOLDER = re.compile(r"<ID(?P<number>\d{1,6})>")
"""A placeholder as `mask` writes it."""

_TOLERANT = re.compile(rf"(?:&lt;|[<\[({{＜〈《«‹] ?)?{TOLD_APART.pattern}(?:&gt;| ?[>\])}}＞〉》»›])?", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_MARKUP = re.compile(r"[*_~\[\]<`\\$|\t]")
_STRUCTURE = re.compile(r"[*_~\[\]!<`\\|\t]|\$(?!\d)")
"""How a protected piece begins that gives the text its structure; the others stand for words."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A segment for an engine."""

    text: str
    """On one line, protected pieces as placeholders."""
    protected: tuple[str, ...]
    """The pieces, the first for `<ID1>`."""


def mask(segment: str) -> Masked:
    """Replace what must not be translated; equal segments give equal results.

    Line breaks become spaces, see `rebuild`. Inside emphasis and links a space sets the placeholder off, for engines
    that split at spaces; `unmask` takes it away again.
    """
    text = unwrap(segment)
    pieces = scan(text)
    if not pieces:
        return Masked(text, ())
    found = pairs([text[piece.start : piece.end] for piece in pieces])
    closing = set(found.values())
    parts: list[str] = []
    protected: list[str] = []
    position = 0
    for number, piece in enumerate(pieces):
        start, end = piece.start, piece.end
        if number in closing:
            start = position + len(text[position:start].rstrip(" "))
        elif number in found:
            end = _skip_spaces(text, end)
        inner = text[position:start] if start > position else ""
        opened = number and number - 1 in found
        parts += [" " * bool(opened), inner, " " * (number in closing), f"<ID{number + 1}>"]
        protected.append(text[max(start, position) : end])
        position = end
    parts += [" " * (len(pieces) - 1 in found), text[position:]]
    return Masked("".join(parts), tuple(protected))


def _skip_spaces(text: str, position: int) -> int:
    while text[position : position + 1] == " ":
        position += 1
    return position


def translatable(masked: Masked) -> bool:
    """Whether anything but placeholders, symbols and digits is left."""
    return _LETTER.search(PLACEHOLDER.sub("", masked.text) if masked.protected else masked.text) is not None


def unmask(translation: str, protected: tuple[str, ...]) -> str | None:
    """The translation with the pieces back in their places, on one line.

    Returns:
        None when a placeholder was lost, doubled or made up, when markup opens behind its end, or when the translation
        has markup the source has not (which would change the structure of the document).
    """
    if not protected and not _DIGIT.search(translation):  # so for most sentences
        result = _LINE_BREAKS.sub(" ", translation)
        return result if _same_markup(result, ()) else None
    placed = _placeholders(translation, len(protected))
    if placed is None:
        return None
    found = pairs(protected)
    order = [number for _, _, number in placed]
    if not _nested(order, protected, found):
        return None
    result = _Joiner(protected, found).join(translation, placed)
    return result if _same_markup(result, protected) else None


def _placeholders(translation: str, count: int) -> list[tuple[int, int, int]] | None:
    """Start, end and index of each placeholder, or None if they are not exactly those of the source."""
    for pattern in (PLACEHOLDER, _TOLERANT) if count else (_TOLERANT,):
        placed = [(*found.span(), int(found["number"]) - 1) for found in pattern.finditer(translation)]
        if sorted(number for _, _, number in placed) == list(range(count)):
            return placed
    return None


def _nested(order: Sequence[int], protected: Sequence[str], found: dict[int, int]) -> bool:
    """Whether pairs still enclose each other; tags may cross emphasis, as in the source."""
    opening = {closing: opened for opened, closing in found.items()}
    stacks: tuple[list[int], list[int]] = ([], [])
    for number in order:
        stack = stacks[protected[number].lstrip(" ").startswith("<")]
        if number in found:
            stack.append(number)
        elif number in opening and (not stack or stack.pop() != opening[number]):
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Joiner:
    """Puts pieces and translated text together so that emphasis marks stay emphasis marks."""

    protected: Sequence[str]
    found: dict[int, int]

    def join(self, translation: str, placed: Sequence[tuple[int, int, int]]) -> str:
        closing = set(self.found.values())
        parts: list[str] = []
        position, opened = 0, False
        for start, end, number in placed:
            text = _LINE_BREAKS.sub(" ", translation[position:start])
            text = text.lstrip(" ") if opened else text
            parts += [text.rstrip(" ") if number in closing else text, self.protected[number]]
            position, opened = end, number in self.found
        text = _LINE_BREAKS.sub(" ", translation[position:])
        parts.append(text.lstrip(" ") if opened else text)
        return "".join(self._set_off(parts, [number for _, _, number in placed], closing))

    def _set_off(self, parts: list[str], order: Sequence[int], closing: set[int]) -> list[str]:
        """A space beside a mark that its new neighbours would make text (CommonMark 0.31, section 6.2)."""
        for index, number in enumerate(order):
            mark = self.protected[number]
            if mark[:1] not in "*_~" or (number not in self.found and number not in closing):
                continue
            before, after = _last(parts, 2 * index), _first(parts, 2 * index + 2)
            opens, closes = flanks(mark[0], before, after)
            if number in self.found and not opens:
                parts[2 * index] += " "
            elif number in closing and not closes:
                parts[2 * index + 2] = " " + parts[2 * index + 2]
        return parts


def _last(parts: Sequence[str], index: int) -> str:
    while index >= 0 and not parts[index]:
        index -= 1
    return parts[index][-1] if index >= 0 else ""


def _first(parts: Sequence[str], index: int) -> str:
    while index < len(parts) and not parts[index]:
        index += 1
    return parts[index][0] if index < len(parts) else ""


def _same_markup(result: str, protected: Sequence[str]) -> bool:
    if not _MARKUP.search(result):
        return True
    pieces = [result[piece.start : piece.end] for piece in scan(result)]
    return _structure(pieces) == _structure(protected)


def _structure(pieces: Sequence[str]) -> list[str]:
    return sorted(piece.strip(" ") for piece in pieces if _STRUCTURE.match(piece.lstrip(" ")))
