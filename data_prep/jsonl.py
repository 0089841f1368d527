"""Strict, streaming reading of the rows users bring: every row is good, or named with what is wrong.

Files are read as bytes, so that invalid UTF-8 is found and shown instead of being replaced on the way in, and no line
is held that is longer than allowed. JSONL is read here; data_prep/ingest/ reads other formats into the same rows.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import zstandard

from data_prep.documents import Reject
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary
from data_prep.parts import WHOLE, Part

COUNT_LIMIT = 1000
"""Bad rows are counted up to here before the error is raised; a file of another format need not be read whole."""

COUNT_ROWS = 100_000
"""Rows looked at for that count: an error does not wait for the end of a large file."""

MAX_LINE_BYTES = 32 << 20
"""Longer lines are bad. Far above any document (the longest books have a few MB), far below the memory of a laptop."""

KEPT_BYTES = 1000
"""What is kept of a row that is too long to be held."""

_START_LINES = 100
_SHOWN_BYTES = 40
_UTF8_BOM = b"\xef\xbb\xbf"
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


class Fault(NamedTuple):
    """What is wrong with a row: a short code for counting, and words for people."""

    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A good row."""

    number: int
    """Its place in the file, from 1."""
    value: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that cannot be used."""

    number: int
    fault: Fault
    raw: bytes
    by_rule: bool = False
    """Left out by a rule of the format, e.g. a redirect; no fault of the file, so never an error."""


Check = Callable[[dict[str, Any]], Fault | None]


def require_file(path: Path) -> None:
    """Raise UsageError unless `path` is a file with a name this module can read."""
    if not path.name.endswith(_SUFFIXES):
        raise UsageError(
            f"cannot tell what kind of file {path.name} is",
            where=str(path),
            fix=f"files end in {', '.join(_SUFFIXES)}; rename or convert it",
        )
    if not path.is_file():
        found = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UsageError(
            f"this input file {found}",
            where=str(path),
            fix="check the path: relative ones start at the repository root, then at the current folder",
        )


def check_start(path: Path, check: Check, on_bad_line: Literal["error", "reject"]) -> None:
    """Look at the first lines, so that a wrong file is refused before any long work."""
    require_file(path)
    look_at_start(read(path, check, on_bad_line))


def look_at_start(rows: Iterable[Any]) -> None:
    """Read the first rows and forget them: what is wrong with them is raised."""
    for _ in islice(rows, _START_LINES):
        pass


def read(
    path: Path, check: Check, on_bad_line: Literal["error", "reject"], part: Part = WHOLE
) -> Iterator[Row | BadRow]:
    """Every line of the file, or of a part of it, in order.

    Args:
        path: .jsonl, .jsonl.gz or .jsonl.zst.
        check: What makes a JSON object usable to the caller.
        on_bad_line: `reject` yields bad lines; `error` raises at the first.
        part: Lines of other parts are passed over unread.

    Raises:
        DataError: The file is empty or damaged, or a line is bad and `on_bad_line` is `error`.
    """
    number = 0
    for row in enforce(undamaged(_read_file(path, check, part), str(path)), str(path), on_bad_line, part):
        number = row.number
        yield row
    if not number and part.index == 0:
        raise empty_file(str(path))


def _read_file(path: Path, check: Check, part: Part) -> Iterator[Row | BadRow]:
    with open_binary(path) as file:
        yield from read_lines(file, check, MAX_LINE_BYTES, part)


def read_lines(file: IO[bytes], check: Check, max_bytes: int, part: Part = WHOLE) -> Iterator[Row | BadRow]:
    """The lines of an open JSONL file, or of a part of it."""
    for number, raw in enumerate(bounded_lines(file, max_bytes), start=1):
        if part.has(number):
            yield _parse(number, raw, check, max_bytes)


def bounded_lines(file: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Lines with their ends, without a byte order mark; of a line longer than `max_bytes`, its first bytes alone.

    Such a piece is still longer than `max_bytes`; the rest of the line is read past, never held.
    """
    line = file.readline(max_bytes + 1 + len(_UTF8_BOM)).removeprefix(_UTF8_BOM)
    while line:
        yield line
        piece = line if len(line) > max_bytes else b"\n"
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(1 << 20)
        line = file.readline(max_bytes + 1)


def too_long(number: int, raw: bytes, reason: str, max_bytes: int) -> BadRow:
    """A row over the limit, with its first bytes."""
    what = reason.removesuffix("_too_long")
    detail = f"the {what} is longer than {max_bytes:,} bytes (ingest.max_document_bytes)"
    return BadRow(number=number, fault=Fault(reason, detail), raw=raw[:KEPT_BYTES])


def undamaged(rows: Iterator[Row | BadRow], where: str) -> Iterator[Row | BadRow]:
    """Pass rows on.

    Raises:
        DataError: The file cannot be read to its end, with the number of the last good row.
    """
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _unreadable(where, number, error) from error
        raise DataError(
            f"the compressed file is damaged after line {number}: {error}",
            where=where,
            why="what follows cannot be read, often because a download was cut short",
            fix="download or compress it again",
        ) from error


def _unreadable(where: str, number: int, error: OSError) -> DataError:
    """The error when the disk, not the content, is at fault."""
    return DataError(
        f"reading stopped after line {number}: {error}",
        where=where,
        why="the disk or the network gave no more of it",
        fix="run the same command again: what is finished is kept",
    )


def enforce(
    rows: Iterator[Row | BadRow], where: str, on_bad_line: Literal["error", "reject"], part: Part = WHOLE
) -> Iterator[Row | BadRow]:
    """Pass rows of a file, or of a part of it, on.

    Raises:
        DataError: A row is bad and `on_bad_line` is `error`.
    """
    for row in rows:
        if on_bad_line == "error" and isinstance(row, BadRow) and not row.by_rule:
            raise _bad_line_error(where, row, rows, part)
        yield row


def empty_file(where: str) -> DataError:
    """The error for a file without a row."""
    return DataError(
        "this file is empty",
        where=where,
        why="a source without documents would silently be missing from the blend",
        fix="check how the file was made or downloaded, or remove it from the configuration",
    )


def _parse(number: int, raw: bytes, check: Check, max_bytes: int) -> Row | BadRow:
    if len(raw) > max_bytes:
        return too_long(number, raw, "line_too_long", max_bytes)
    value = _decode(raw)
    fault = value if isinstance(value, Fault) else check(value)
    if fault:
        return BadRow(number=number, fault=fault, raw=raw.rstrip(b"\r\n"))
    assert isinstance(value, dict)  # noqa: S101  a Fault was returned above
    return Row(number=number, value=value)


def _decode(raw: bytes) -> dict[str, Any] | Fault:
    """The JSON object of a line."""
    if not raw.strip():
        return Fault("empty_line", "the line is empty")
    text = decode_utf8(raw)
    if isinstance(text, Fault):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Fault("not_json", f"not valid JSON: {error}")
    if not isinstance(value, dict):
        return Fault("not_an_object", f"expected a JSON object, found {type(value).__name__}")
    if _ESCAPED_SURROGATE.search(raw) and _holds_lone_surrogate(value):
        return Fault("lone_surrogate", "half of a surrogate pair, from a broken \\uD8xx escape, is no character")
    return value


def decode_utf8(raw: bytes, what: str = "line") -> str | Fault:
    """The text of some bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        shown = raw[error.start : error.start + 4].hex(" ")
        return Fault("not_utf8", f"not UTF-8 at byte {error.start + 1} of the {what}: {shown}")


def _holds_lone_surrogate(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def text_fault(value: dict[str, Any], name: str) -> Fault | None:
    """What is wrong with a text field, if anything."""
    if name not in value:
        fields = ", ".join(list(value)[:8]) or "none"
        return Fault("missing_text", f"no field {name!r}; fields here: {fields}")
    text = value[name]
    if not isinstance(text, str):
        return Fault("text_not_string", f"field {name!r} holds {type(text).__name__}, not text")
    if "\0" in text:
        at = text.index("\0") + 1
        return Fault("nul_character", f"field {name!r} holds a NUL at character {at}: UTF-16, or not text at all")
    return None if text.strip() else Fault("empty_text", f"field {name!r} is empty")


def to_reject(path: Path | str, row: BadRow) -> Reject:
    """A bad row as it is kept: bytes that are not UTF-8 are shown as escapes."""
    return Reject(
        id=f"{str(path).rsplit('/', 1)[-1]}:{row.number}",
        reason=row.fault.reason,
        where=f"{path}:{row.number}: {row.fault.detail}",
        text=row.raw.decode(errors="backslashreplace"),
    )


def _bad_line_error(where: str, bad: BadRow, rest: Iterator[Row | BadRow], part: Part) -> DataError:
    """The error for the first bad row, with the number of bad rows up to COUNT_LIMIT, in COUNT_ROWS rows."""
    more = looked_at = 0
    for row in islice(rest, COUNT_ROWS):
        looked_at += 1
        more += isinstance(row, BadRow) and not row.by_rule
        if more + 1 == COUNT_LIMIT:
            break
    count = more + 1
    at_least = "at least " if count == COUNT_LIMIT or looked_at == COUNT_ROWS else ""
    shown = bad.raw[:_SHOWN_BYTES]
    lines = "line is" if count == 1 else "lines are"
    hint = (
        "convert the file: iconv -f ENCODING -t UTF-8 FILE\n" if bad.fault.reason == "not_utf8" else "mend the line\n"
    )
    return DataError(
        f"{bad.fault.detail} ({at_least}{count} {lines} bad in {part})",
        where=f"{where}:{bad.number}\nit starts with {shown!r}",
        why="training on damaged or missing text goes unnoticed",
        fix=f"{hint}on_bad_line=reject leaves bad lines out, counts them and keeps them with their reason",
    )
