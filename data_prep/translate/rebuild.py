"""Put translations back into a document: by span, so that nothing else can change."""

import re
from collections.abc import Sequence

from data_prep.translate.lines import rewrap, unwrap
from data_prep.translate.spans import Span
from data_prep.translate.syntax import HTML_BLOCK

_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_PIPE = re.compile(r"(?<!\\)\|")
_BLOCK_START = re.compile(
    r"(?:[-+*](?=\s|$)|#{1,6}(?=\s|$)|>|`{3}|~{3}|\|(?=.*\|)|=+$|-+$|\[\^?[^\]]+\]:|<[!?]|\$\$|:::)"
)
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_WITHOUT_WORDS = re.compile(r"[^\w\r\n]*(?:\d{1,9}[.)]\s+)?[^\w\r\n]*")
_LOOK_BACK = 200


def rebuild(text: str, spans: Sequence[Span], translations: Sequence[str]) -> str:
    """The document with each span replaced by its translation.

    Mended: white space at the ends of a translation goes; line breaks are those of the span, and only those; a `|` in
    a table cell and a beginning that would start another block (`# `, `1. `) are escaped with a backslash. A
    translation equal to its segment leaves the document as it was.
    """
    parts, position = [], 0
    for span, translation in zip(spans, translations, strict=True):
        parts += [text[position : span.start], _mended(text, span, translation)]
        position = span.end
    return "".join(parts) + text[position:]


def segments(text: str, spans: Sequence[Span]) -> list[str]:
    """What the spans hold."""
    return [text[span.start : span.end] for span in spans]


def _mended(text: str, span: Span, translation: str) -> str:
    segment = text[span.start : span.end]
    if translation in (segment, unwrap(segment)):
        return segment
    line = _LINE_BREAKS.sub(" ", translation.strip())
    if span.cell:
        line = _PIPE.sub(r"\\|", line)
    return rewrap(segment, _escaped(text, span, segment, line))


def _escaped(text: str, span: Span, segment: str, line: str) -> str:
    """The line without the look of another block, if it begins one."""
    numbered = _NUMBERED.match(line)
    if (
        not (numbered or _BLOCK_START.match(line) or HTML_BLOCK.match(line))
        or _BLOCK_START.match(segment)
        or _NUMBERED.match(segment)
    ):
        return line
    before = text[max(0, span.start - _LOOK_BACK) : span.start]
    if not _WITHOUT_WORDS.fullmatch(before.rpartition("\n")[2].rpartition("\r")[2]):
        return line
    return f"{numbered[1]}\\{line[numbered.end(1) :]}" if numbered else f"\\{line}"
