"""Rows of evaluation files in the formats they are published in; every row is good, or the file is refused.

Values are parsed as data (JSON, CSV, Parquet without pickled objects), never evaluated.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from data_prep import jsonl
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary

_COMPRESSIONS = (".gz", ".zst")
_CSV_FIELD_LIMIT = 1 << 27
"""Characters of one cell; Python's own limit of 128 KiB is below the longest passages."""


class Row(NamedTuple):
    """One item of a file as it stands there."""

    where: str
    """File name and line, or number of the row: names the item when it has no id."""
    value: Mapping[str, Any]


Reader = Callable[[Path], Iterator[Row]]


def files(path: Path) -> list[Path]:
    """The file itself, or the readable files of a folder by name.

    Raises:
        UsageError: There is none, or its kind is unknown.
    """
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.is_file() and _suffix(file) in _READERS)
        if found:
            return found
        raise UsageError(
            "this folder of an evaluation set holds no file langadapt can read",
            where=str(path),
            fix=f"files end in {_SUFFIXES}",
        )
    if not path.is_file():
        raise UsageError(
            "this evaluation set does not exist",
            where=str(path),
            why="a set that is not there would pass as not contaminated",
            fix="check the path: relative ones start at the repository root, then at the current folder",
        )
    if _suffix(path) not in _READERS:
        raise UsageError(
            f"cannot tell what kind of file {path.name} is",
            where=str(path),
            fix=f"evaluation files end in {_SUFFIXES}; rename or convert it",
        )
    return [path]


def rows(path: Path, *, has_header: bool) -> Iterator[Row]:
    """The rows of one file.

    Args:
        path: As `files` gives it.
        has_header: Whether the first line of a CSV file names its columns; else they are named "0", "1", ...

    Raises:
        DataError: The file is empty or damaged, or a row of it.
    """
    reader = _READERS[_suffix(path)]
    if reader is _csv and not has_header:
        reader = _csv_without_header
    count = 0
    try:
        for row in reader(path):
            count += 1
            yield row
    except (EOFError, OSError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError, pa.ArrowException) as error:
        raise DataError(
            f"this evaluation file is damaged after item {count}: {error}",
            where=str(path),
            why="items that cannot be read cannot be looked for",
            fix="download or convert it again",
        ) from error
    if not count:
        raise DataError(
            "this evaluation file holds no items",
            where=str(path),
            why="a set without items would pass as not contaminated",
            fix="check how the file was made or downloaded, or remove the set from the configuration",
        )


def bad_row(what: str, where: str, fix: str) -> DataError:
    """The error for one row that cannot be used."""
    return DataError(what, where=where, why="an item that cannot be read cannot be looked for", fix=fix)


def _suffix(path: Path) -> str:
    """The suffix that tells the format, without that of a compression."""
    return Path(path.stem).suffix if path.suffix in _COMPRESSIONS else path.suffix


def _jsonl(path: Path) -> Iterator[Row]:
    for row in jsonl.read(path, lambda _: None, "reject"):
        if isinstance(row, jsonl.BadRow):
            raise bad_row(row.fault.detail, f"{path}:{row.number}", "mend or remove the line")
        yield Row(f"{path.name}:{row.number}", row.value)


def _json(path: Path) -> Iterator[Row]:
    with open_binary(path) as file:
        try:
            content = json.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise bad_row(f"this file is not valid JSON: {error}", str(path), "mend or convert it") from error
    for number, value in enumerate(_items(content, path), start=1):
        where = f"{path.name}:{number}"
        if not isinstance(value, dict):
            raise bad_row(
                f"expected a JSON object, found {type(value).__name__}", f"item {where}", "remove or convert it"
            )
        yield Row(where, value)


def _items(content: Any, path: Path) -> list[Any]:
    """The list of items: the whole file, or the one list of objects in it (`data`, `examples`)."""
    if isinstance(content, list):
        return content
    inside = content.items() if isinstance(content, dict) else ()
    lists = {key: value for key, value in inside if isinstance(value, list) and value and isinstance(value[0], dict)}
    if len(lists) == 1:
        return next(iter(lists.values()))
    found = f"lists of objects under {', '.join(lists)}" if lists else "no list of objects"
    raise bad_row(
        f"expected a list of items, found {found}", str(path), "write the items as JSON lines, one object a line"
    )


def _csv(path: Path) -> Iterator[Row]:
    lines = _csv_lines(path)
    _, columns = next(lines, (0, []))
    return (_csv_row(path, number, columns, cells) for number, cells in lines)


def _csv_without_header(path: Path) -> Iterator[Row]:
    columns: list[str] = []
    for number, cells in _csv_lines(path):
        columns = columns or [str(column) for column in range(len(cells))]
        yield _csv_row(path, number, columns, cells)


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row that is not blank, with the number of its last line."""
    csv.field_size_limit(_CSV_FIELD_LIMIT)
    with open_binary(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        lines = csv.reader(text, strict=True)
        try:
            yield from ((lines.line_num, cells) for cells in lines if cells)
        except (csv.Error, UnicodeDecodeError) as error:
            fix = "mend the line; files are UTF-8, with quotes doubled inside quotes"
            raise bad_row(f"cannot read this CSV: {error}", f"{path}:{lines.line_num}", fix) from error


def _csv_row(path: Path, number: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise bad_row(
            f"this row has {len(cells)} columns, the first has {len(columns)}",
            f"{path}:{number}",
            "mend or remove it; commas and quotes inside a cell need quotes around it",
        )
    return Row(f"{path.name}:{number}", dict(zip(columns, cells, strict=True)))


def _parquet(path: Path) -> Iterator[Row]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            for value in batch.to_pylist():
                number += 1
                yield Row(f"{path.name}:{number}", value)


_READERS: dict[str, Reader] = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
_SUFFIXES = ", ".join(_READERS)
