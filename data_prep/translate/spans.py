"""Cut a document into the spans an engine translates: sentences, headings, list items, table cells.

Everything outside the spans is kept byte for byte. Markup that encloses a whole span, or that begins in one span and
ends in another, stays outside; what remains inside is masked by `protect`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from data_prep.translate.blocks import blocks
from data_prep.translate.inline import Piece, label, scan
from data_prep.translate.marks import pairs
from data_prep.translate.scanner import Block, Range
from data_prep.translate.sentences import boundaries, clauses

MAX_SEGMENT_CHARACTERS = 600
"""About 150 tokens of English and 250 of Hindi: inside the 256 that IndicTrans2 and our engines' settings allow."""
MIN_WRAPPED_CHARACTERS = 40
"""A shorter line was ended by its author, not wrapped by an editor."""

_MAX_DEPTH = 3
"""How often a span is cut again after the markup around it was taken off."""
_DEFINITION = re.compile(r"^[ \t>*+\-\d.)]{0,40}\[([^\]\r\n]{1,999})\]:", re.MULTILINE)
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_END = re.compile(r"""[.!?:;।॥…。！？]["'”’)\]*_]*$""")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_GAP = re.compile(r"[ \t\r\n>]*")
"""Between the lines of a sentence; a bullet begins a new one."""
_WORD = re.compile(r"\S+")
_NUMERIC = re.compile(r"[\d\W]+$")


@dataclass(frozen=True, slots=True)
class Span:
    """text[start:end] is one segment to translate, without white space at its ends."""

    start: int
    end: int
    cell: bool = False
    """Whether it is in a table, where a `|` of the translation is escaped."""


def cut(text: str, *, lang: str, max_segment_characters: int = MAX_SEGMENT_CHARACTERS) -> tuple[Span, ...]:
    """The spans of a document, in order, not overlapping.

    Args:
        text: Markdown, HTML in it, or plain text.
        lang: The document's language, for its sentence rules.
        max_segment_characters: Longer sentences are cut at clause marks, see `sentences.clauses`. A link, an emphasis
            or a code span is never cut, so that a segment with a longer one stays longer.
    """
    labels = frozenset(label(found[1]) for found in _DEFINITION.finditer(text)) if "]:" in text else ()
    spans: list[Span] = []
    for block in blocks(text):
        region, cell = _Region(text, block, labels, lang, max_segment_characters), block.kind == "cell"
        spans += [Span(region.base + start, region.base + end, cell) for start, end in region.spans()]
    return tuple(spans)


class _Region:
    """One block: its text, its pieces, and the places where it is cut whatever the sentences."""

    def __init__(self, text: str, block: Block, labels: Collection[str], lang: str, limit: int) -> None:
        self.base = block.lines[0][0]
        self.text = text[self.base : block.lines[-1][1]]
        self.lang = lang
        self.limit = limit
        self.pieces = scan(self.text, labels)
        self.starts = [piece.start for piece in self.pieces]
        found = pairs([self.text[piece.start : piece.end] for piece in self.pieces]) if self.pieces else {}
        self.partner = found | {closing: opening for opening, closing in found.items()}
        self.joined: list[Range] = []
        self.stops = self._stops(block)
        self.shadow = self._shadow()

    def spans(self) -> Iterator[Range]:
        """Offsets into the block."""
        position = 0
        for start, end in [*self.stops, (len(self.text), len(self.text))]:
            if start < position:  # a line break inside a tag
                continue
            if not self.pieces:
                yield from self._plain(position, start)
            for low, high in self._whole_pairs(position, start) if self.pieces else ():
                yield from self._cut(low, high, 0)
            position = end

    def _plain(self, low: int, high: int) -> Iterator[Range]:
        """What `_cut` finds in text without pieces, as most text is."""
        for start, end in pairwise(
            [low, *(low + place for place in boundaries(self.shadow[low:high], self.lang)), high]
        ):
            start, end = self._strip(start, end)  # noqa: PLW2901
            if end - start > self.limit:
                yield from self._clauses(start, end)
            elif _LETTER.search(self.text, start, end):
                yield start, end

    def _stops(self, block: Block) -> list[Range]:
        """Line breaks that are not wrapped lines, separators, and pieces over several lines."""
        stops = [
            (piece.start, piece.end)
            for piece in self.pieces
            if piece.kind == "separator" or _LINE_BREAKS.search(self.text, piece.start, piece.end)
        ]
        return sorted([*stops, *self._line_ends(block)])

    def _line_ends(self, block: Block) -> Iterator[Range]:
        if block.kind == "html":
            yield from (found.span() for found in _LINE_BREAKS.finditer(self.text))
        elif len(block.lines) > 1:
            lines = [(start - self.base, end - self.base) for start, end in block.lines]
            width = max(end - start for start, end in lines)
            for line, following in pairwise(lines):
                gap = (line[1] - self._ends_in_backslash(line[1]), following[0])
                if self._is_wrapped(line, following, width):
                    self.joined.append(gap)
                else:
                    yield gap

    def _is_wrapped(self, line: Range, following: Range, width: int) -> bool:
        """Whether an editor broke the line: the next word had no room in the block's width. Else its author did."""
        start, end = line
        hard = self._ends_in_backslash(end) or self.text[end : end + 2] == "  "
        row = self.text.find("|", start, following[1]) >= 0
        if end - start < MIN_WRAPPED_CHARACTERS or hard or row or not _GAP.fullmatch(self.text, end, following[0]):
            return False
        word = _WORD.match(self.text, *following)
        room = width - (end - start) - 1
        return bool(word) and len(word[0]) > room and not _SENTENCE_END.search(self.text[end - 8 : end])  # type: ignore[index]

    def _ends_in_backslash(self, end: int) -> bool:
        """Whether the line ends in CommonMark's visible line break."""
        return self.text[end - 1 : end] == "\\" and self.text[end - 2 : end - 1] != "\\"

    def _shadow(self) -> str:
        """The text as long as it is, without what would mislead a sentence splitter: markup blank, code a word."""
        if not (self.pieces or self.joined):
            return self.text
        hidden = [(gap[0], gap[1], " " * (gap[1] - gap[0])) for gap in self.joined]
        hidden += [(piece.start, piece.end, self._stand_in(piece)) for piece in self.pieces]
        parts, position = [], 0
        for start, end, stand_in in sorted(hidden):
            if start >= position:
                parts += [self.text[position:start], stand_in]
                position = end
        return "".join(parts) + self.text[position:]

    def _stand_in(self, piece: Piece) -> str:
        content = self.text[piece.start : piece.end]
        if piece.kind == "value" and _NUMERIC.match(content):
            return content
        length = len(content)
        return " " * length if piece.kind in ("markup", "separator") else "X" + "x" * (length - 1)

    def _inside(self, low: int, high: int) -> range:
        """The pieces between two places."""
        return range(bisect_left(self.starts, low), bisect_left(self.starts, high))

    def _whole_pairs(self, low: int, high: int) -> Iterator[Range]:
        """The stretches between those pieces whose partner is elsewhere."""
        inside = self._inside(low, high)
        for number in inside:
            if self.partner.get(number, number) not in inside:
                yield low, self.pieces[number].start
                low = self.pieces[number].end
        yield low, high

    def _trim(self, low: int, high: int) -> Range:
        """Without white space, single tags and footnote marks at the ends, and markup around the whole."""
        while low < high:
            low, high = self._strip(low, high)
            inside = self._inside(low, high)
            if not inside:
                break
            first, last = inside[0], inside[-1]
            leads, trails = self.pieces[first].start == low, self.pieces[last].end == high
            if leads and self._is_alone(first):
                low = self.pieces[first].end
            elif trails and self._is_alone(last):
                high = self.pieces[last].start
            elif leads and trails and self.partner.get(first) == last:
                low, high = self.pieces[first].end, self.pieces[last].start
            else:
                break
        return low, max(low, high)

    def _strip(self, low: int, high: int) -> Range:
        text = self.text
        while low < high and text[low].isspace():
            low += 1
        while low < high and text[high - 1].isspace():
            high -= 1
        return low, high

    def _is_alone(self, number: int) -> bool:
        return self.pieces[number].kind == "markup" and number not in self.partner

    def _cut(self, low: int, high: int, depth: int) -> Iterator[Range]:
        """The sentences; those that lay whole in markup, which _trim took off, are cut again."""
        low, high = self._trim(low, high)
        places = boundaries(self.shadow[low:high], self.lang) if low < high else []
        places = self._allowed(low, high, (low + place for place in places))
        for start, end in pairwise([low, *places, high]):
            if places and depth < _MAX_DEPTH and self._trim(start, end) != self._strip(start, end):
                yield from self._cut(start, end, depth + 1)
            else:
                yield from self._clauses(*self._trim(start, end))

    def _clauses(self, low: int, high: int) -> Iterator[Range]:
        places = clauses(self.shadow[low:high], self.limit) if high - low > self.limit else ()
        for start, end in pairwise([low, *self._allowed(low, high, (low + place for place in places)), high]):
            start, end = self._trim(start, end)  # noqa: PLW2901
            if _LETTER.search(self.text, start, end):
                yield start, end

    def _allowed(self, low: int, high: int, places: Iterator[int]) -> list[int]:
        """The places that are in no piece and in no pair; one behind an opening mark moves before it."""
        inside = self._inside(low, high)
        if not inside:
            return list(places)
        closed = self._closed(inside)
        starts = [start for start, _ in closed]
        found = []
        for place in places:
            moved = self._before_openings(place, low)
            number = bisect_right(starts, moved) - 1
            if moved > low and (number < 0 or not closed[number][0] < moved < closed[number][1]):
                found.append(moved)
        return sorted(set(found))

    def _before_openings(self, place: int, low: int) -> int:
        number = bisect_left(self.starts, place) - 1
        while number >= 0 and self.pieces[number].end == place and self.partner.get(number, -1) > number:
            place = self.pieces[number].start
            number -= 1
        return max(place, low)

    def _closed(self, inside: Sequence[int]) -> list[Range]:
        """Outermost pairs and single pieces: nothing is cut within."""
        closed: list[Range] = []
        for number in inside:
            start, end = self.pieces[number].start, self.pieces[max(number, self.partner.get(number, number))].end
            if not closed or start >= closed[-1][1]:
                closed.append((start, end))
            elif end > closed[-1][1]:
                closed[-1] = (closed[-1][0], end)
        return closed
