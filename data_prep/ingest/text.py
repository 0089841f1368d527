"""Plain text as rows: a document is the whole file, a line, or a block between empty lines."""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from data_prep.ingest.inputs import InputFile
from data_prep.ingest.settings import SourceSettings, TextUnit
from data_prep.jsonl import BadRow, Check, Fault, Row, bounded_lines, decode_utf8, too_long


def read_text(file: InputFile, source: SourceSettings, check: Check, max_bytes: int) -> Iterator[Row | BadRow]:
    """The documents of a text file, with LF line ends; empty lines between them are no rows."""
    with file.open() as content:
        for number, unit in enumerate(_units(bounded_lines(content, max_bytes), source.text_unit), start=1):
            yield _row(number, _joined(unit, max_bytes), source, check, max_bytes)


def _units(lines: Iterator[bytes], unit: TextUnit) -> Iterator[Iterable[bytes]]:
    """The lines of each document."""
    if unit == "line":
        yield from ((line,) for line in lines if line.strip())
    elif unit == "block":
        yield from (block for is_text, block in groupby(lines, key=lambda line: bool(line.strip())) if is_text)
    elif first := next(lines, b""):
        yield chain((first,), lines)


def _joined(lines: Iterable[bytes], max_bytes: int) -> bytes:
    """Lines as one piece; when they are too long together, a piece that is too long, and no more."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        if size <= max_bytes:
            kept.append(line)
            size += len(line)
    return b"".join(kept)


def _row(number: int, raw: bytes, source: SourceSettings, check: Check, max_bytes: int) -> Row | BadRow:
    if len(raw) > max_bytes:
        return too_long(number, raw, "text_too_long", max_bytes)
    text = decode_utf8(raw, "text")
    if isinstance(text, Fault):
        return BadRow(number=number, fault=text, raw=raw)
    value = {source.text_field: text.replace("\r\n", "\n").removesuffix("\n")}
    if fault := check(value):
        return BadRow(number=number, fault=fault, raw=raw)
    return Row(number=number, value=value)
