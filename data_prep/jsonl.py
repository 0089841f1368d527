"""Strict, streaming reading of JSONL files that users bring: every line is good, or named with what is wrong.

Files are read as bytes, so that invalid UTF-8 is found and shown instead of being replaced on the way in.
"""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import zstandard

from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary

COUNT_LIMIT = 1000
"""Bad lines are counted up to here before the error is raised; a file of another format need not be read whole."""

_START_LINES = 100
_SHOWN_BYTES = 40
_UTF8_BOM = b"\xef\xbb\xbf"
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


class Fault(NamedTuple):
    """What is wrong with a line: a short code for counting, and words for people."""

    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A good line."""

    number: int
    value: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A line that cannot be used."""

    number: int
    fault: Fault
    raw: bytes


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
    for _ in islice(read(path, check, on_bad_line), _START_LINES):
        pass


def read(path: Path, check: Check, on_bad_line: Literal["error", "reject"]) -> Iterator[Row | BadRow]:
    """Every line of the file in order.

    Args:
        path: .jsonl, .jsonl.gz or .jsonl.zst.
        check: What makes a JSON object usable to the caller.
        on_bad_line: `reject` yields bad lines; `error` raises at the first.

    Raises:
        DataError: The file is empty or damaged, or a line is bad and `on_bad_line` is `error`.
    """
    rows = _rows(path, check)
    number = 0
    for row in rows:
        number = row.number
        if isinstance(row, BadRow) and on_bad_line == "error":
            raise _bad_line_error(path, row, rows)
        yield row
    if not number:
        raise DataError(
            "this file is empty",
            where=str(path),
            why="a source without documents would silently be missing from the blend",
            fix="check how the file was made or downloaded, or remove it from the configuration",
        )


def _rows(path: Path, check: Check) -> Iterator[Row | BadRow]:
    number = 0
    try:
        with open_binary(path) as lines:
            for number, raw in enumerate(lines, start=1):
                yield _parse(number, raw.removeprefix(_UTF8_BOM) if number == 1 else raw, check)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise DataError(
            f"the compressed file is damaged after line {number}: {error}",
            where=str(path),
            why="what follows cannot be read, often because a download was cut short",
            fix="download or compress it again",
        ) from error


def _parse(number: int, raw: bytes, check: Check) -> Row | BadRow:
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
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        shown = raw[error.start : error.start + 4].hex(" ")
        return Fault("not_utf8", f"not UTF-8 at byte {error.start + 1} of the line: {shown}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Fault("not_json", f"not valid JSON: {error}")
    if not isinstance(value, dict):
        return Fault("not_an_object", f"expected a JSON object, found {type(value).__name__}")
    if _ESCAPED_SURROGATE.search(raw) and _holds_lone_surrogate(value):
        return Fault("lone_surrogate", "half of a surrogate pair, from a broken \\uD8xx escape, is no character")
    return value


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
    return None if text.strip() else Fault("empty_text", f"field {name!r} is empty")


def _bad_line_error(path: Path, bad: BadRow, rest: Iterator[Row | BadRow]) -> DataError:
    """The error for the first bad line, with the number of bad lines up to COUNT_LIMIT."""
    found = islice((row for row in rest if isinstance(row, BadRow)), COUNT_LIMIT - 1)
    count = 1 + sum(1 for _ in found)
    at_least = "at least " if count == COUNT_LIMIT else ""
    shown = bad.raw[:_SHOWN_BYTES]
    lines = "line is" if count == 1 else "lines are"
    hint = (
        "convert the file: iconv -f ENCODING -t UTF-8 FILE\n" if bad.fault.reason == "not_utf8" else "mend the line\n"
    )
    return DataError(
        f"{bad.fault.detail} ({at_least}{count} {lines} bad in this file)",
        where=f"{path}:{bad.number}\nit starts with {shown!r}",
        why="training on damaged or missing text goes unnoticed",
        fix=f"{hint}on_bad_line=reject leaves bad lines out, counts them and keeps them with their reason",
    )
