"""Stage ingest: users' JSONL files -> tagged, split shards, with what was left out beside them."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.documents import Document, Record, Reject
from data_prep.errors import DataError
from data_prep.jsonl import BadRow, Fault, Row, check_start, read, text_fault
from data_prep.prep_settings import OnBad, PrepSettings, SourceSettings
from data_prep.tasks import Stage, Step, Task, write_shard


def stage(settings: PrepSettings) -> Stage:
    """One task per source."""
    tasks = tuple(_task(settings, source) for source in settings.sources)
    return Stage(name="ingest", steps=(Step(name="documents", tasks=tasks),))


def check(settings: PrepSettings) -> None:
    """Refuse missing, empty or malformed input before any work."""
    for source in settings.sources:
        check_start(source.input, partial(row_fault, source), settings.on_bad_line)


def _task(settings: PrepSettings, source: SourceSettings) -> Task:
    shaping = {name: value for name, value in asdict(source).items() if name != "path"}
    return Task(
        name=source.dataset.name,
        settings=shaping | {"on_bad_line": settings.on_bad_line},
        inputs=(source.input,),
        receipt=settings.layout.stage_receipt("ingest", source.dataset.name, "00000"),
        read=partial(read_source, source, settings.on_bad_line),
        write=partial(
            write_shard,
            settings.layout.stage_shard("ingest", source.dataset.name, "00000"),
            settings.layout.rejects("ingest", source.dataset.name, "00000"),
        ),
    )


def read_source(source: SourceSettings, on_bad_line: OnBad) -> Iterator[Record]:
    """The documents of a source; bad lines as rejects when `on_bad_line` is `reject`."""
    kept = 0
    for row in read(source.input, partial(row_fault, source), on_bad_line):
        if isinstance(row, BadRow):
            yield to_reject(source.input, row)
        else:
            kept += 1
            yield _to_document(source, row)
    if not kept:
        raise DataError(
            "every line of this file is bad",
            where=str(source.input),
            why="a source without documents would silently be missing from the blend",
            fix="on_bad_line=error shows the first; text_field and id_field may have other names in this file",
        )


def row_fault(source: SourceSettings, value: dict[str, Any]) -> Fault | None:
    """What makes a JSON object unusable as a document of this source, if anything."""
    if fault := text_fault(value, source.text_field):
        return fault
    for name in (source.id_field, source.group_field):
        if name and value.get(name) is not None and not isinstance(value[name], str | int):
            return Fault(f"bad_{name}", f"field {name!r} holds {type(value[name]).__name__}, not text or a number")
    if source.id_field and value.get(source.id_field) is None:
        return Fault("missing_id", f"no field {source.id_field!r}; `id_field: null` names documents by their line")
    return None


def to_reject(path: Path, row: BadRow) -> Reject:
    """A bad line as it is kept: bytes that are not UTF-8 are shown as escapes."""
    return Reject(
        id=f"{path.name}:{row.number}",
        reason=row.fault.reason,
        where=f"{path}:{row.number}: {row.fault.detail}",
        text=row.raw.decode(errors="backslashreplace"),
    )


def _to_document(source: SourceSettings, row: Row) -> Document:
    named = row.value[source.id_field] if source.id_field else f"{source.source}-{row.number}"
    group = row.value.get(source.group_field) if source.group_field else None
    return Document(
        id=str(named),
        text=row.value[source.text_field],
        lang=source.lang,
        kind=source.kind,
        source=source.source,
        license=source.license,
        parent_id=None,
        group=str(named if group is None else group),
    )
