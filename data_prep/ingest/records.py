"""Rows of any format -> documents of a source, with what cannot be one as rejects."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Literal

from data_prep.documents import Document, Record, Reject
from data_prep.errors import DataError
from data_prep.ingest.inputs import InputFile
from data_prep.ingest.settings import Format, SourceSettings
from data_prep.jsonl import (
    BadRow,
    Check,
    Fault,
    Row,
    empty_file,
    enforce,
    read_lines,
    text_fault,
    to_reject,
    undamaged,
)

Reader = Callable[[InputFile, SourceSettings, Check, int], Iterator[Row | BadRow]]


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a source and all it takes to read it; called, it gives its records."""

    source: SourceSettings
    file: InputFile
    index: int
    """Its place among the files of the source."""
    is_only: bool
    """The source has no other file."""
    on_bad_line: Literal["error", "reject"]
    max_document_bytes: int

    def __call__(self) -> Iterator[Record]:
        """Every row once: as a document, or as a reject.

        Raises:
            DataError: The file is damaged, a row is bad and may not be, or the source has no good row at all.
        """
        source, where = mapped(self.source, self.file.format), self.file.name
        rows = _reader(self.file.format)(self.file, source, partial(row_fault, source), self.max_document_bytes)
        prefix = source.source if self.is_only else f"{source.source}-{self.index:05d}"
        count = kept = ruled_out = 0
        for row in enforce(islice(undamaged(rows, where), source.limit), where, self.on_bad_line):
            count += 1
            if isinstance(row, BadRow):
                ruled_out += row.by_rule
                yield to_reject(where, row)
            else:
                kept += 1
                yield to_document(source, row, f"{prefix}-{row.number}")
        if not count:
            yield self._empty()
        elif not kept and not ruled_out and self.is_only:
            raise DataError(
                "every line of this file is bad",
                where=where,
                why="a source without documents would silently be missing from the blend",
                fix="on_bad_line=error shows the first; text_field and id_field may have other names in this file",
            )

    def _empty(self) -> Reject:
        """An empty file: an error, or one counted reject where the other files of the source can make up for it."""
        if self.is_only or self.on_bad_line == "error":
            raise empty_file(self.file.name)
        return Reject(id=self.file.name, reason="empty_file", where=self.file.name, text="")


def _reader(kind: Format) -> Reader:
    """The reader of a format; its libraries are loaded when a file needs them."""
    if kind == "parquet":
        from data_prep.ingest.parquet import read_parquet

        return read_parquet
    if kind == "wikipedia":
        from data_prep.ingest.wikipedia import read_wikipedia

        return read_wikipedia
    if kind == "text":
        from data_prep.ingest.text import read_text

        return read_text
    return _read_jsonl


def _read_jsonl(file: InputFile, _source: SourceSettings, check: Check, max_bytes: int) -> Iterator[Row | BadRow]:
    with file.open() as content:
        yield from read_lines(content, check, max_bytes)


def mapped(source: SourceSettings, kind: Format) -> SourceSettings:
    """The source with the fields its format has: plain text has none but the text."""
    if kind != "text":
        return source
    return replace(source, id_field=None, group_field=None, license_field=None)


def row_fault(source: SourceSettings, value: dict[str, Any]) -> Fault | None:
    """What makes a row unusable as a document of this source, if anything."""
    if fault := text_fault(value, source.text_field):
        return fault
    for name in (source.id_field, source.group_field):
        if name and value.get(name) is not None and not isinstance(value[name], str | int):
            return Fault(f"bad_{name}", f"field {name!r} holds {type(value[name]).__name__}, not text or a number")
    if source.license_field and not isinstance(value.get(source.license_field), str | None):
        found = type(value[source.license_field]).__name__
        return Fault("bad_license", f"field {source.license_field!r} holds {found}, not text")
    if source.id_field and value.get(source.id_field) is None:
        return Fault("missing_id", f"no field {source.id_field!r}; `id_field: null` names documents by their line")
    return None


def to_document(source: SourceSettings, row: Row, default_id: str) -> Document:
    """The document a good row holds."""
    named = row.value[source.id_field] if source.id_field else default_id
    group = row.value.get(source.group_field) if source.group_field else None
    own_license = row.value.get(source.license_field) if source.license_field else None
    return Document(
        id=str(named),
        text=row.value[source.text_field],
        lang=source.lang,
        kind=source.kind,
        source=source.source,
        license=own_license or source.license,
        parent_id=None,
        group=str(named if group is None else group),
    )
