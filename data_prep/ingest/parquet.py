"""Parquet as rows: the columns of a document alone, in batches of bounded size.

Text is taken as bytes and decoded here, because Parquet files hold invalid UTF-8 more often than their type says.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from data_prep.errors import DataError
from data_prep.ingest.inputs import InputFile
from data_prep.ingest.settings import SourceSettings
from data_prep.jsonl import BadRow, Check, Fault, Row, decode_utf8, too_long

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_BYTES = 4 << 20
"""Aimed at per batch, by the average row."""

_BATCH_ROWS = 1024
_PAGE_BUFFER = 1 << 20
"""Read at once of a column; without it Arrow reads the column of a whole row group."""


def read_parquet(file: InputFile, source: SourceSettings, check: Check, max_bytes: int) -> Iterator[Row | BadRow]:
    """The rows of a Parquet file.

    Raises:
        DataError: It is damaged or none, or lacks a column that the source names.
    """
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with file.open_stored() as stored:
            table = parquet.ParquetFile(stored, buffer_size=_PAGE_BUFFER, pre_buffer=False)
            columns = _columns(file.name, source, table.schema_arrow)
            size = _batch_rows(table.metadata, columns)
            for batch in table.iter_batches(batch_size=size, columns=columns, use_threads=False):
                for cells in _cells(batch, source.text_field, max_bytes):
                    number += 1
                    yield _row(number, cells, source.text_field, check, max_bytes)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"the Parquet file cannot be read after row {number}: {error}",
            where=file.name,
            why="it is damaged or no Parquet file, often because a download was cut short",
            fix="download it again",
        ) from error


def _columns(name: str, source: SourceSettings, schema: "pa.Schema") -> list[str]:
    """The columns to read: each exists and has a type that a document can be made of."""
    from pyarrow import types

    wanted = {
        "text_field": source.text_field,
        "id_field": source.id_field,
        "group_field": source.group_field,
        "license_field": source.license_field,
    }
    named = {setting: column for setting, column in wanted.items() if column}
    for setting, column in named.items():
        if column not in schema.names:
            hint = "\nor id_field: null, to name documents by their row" if setting == "id_field" else ""
            raise DataError(
                f"this file has no column {column!r}; its columns are {', '.join(schema.names)}",
                where=name,
                fix=f"set {setting} to one of them{hint}",
            )
        kind = schema.field(column).type
        if not (_is_text(kind) or (types.is_integer(kind) and setting in ("id_field", "group_field"))):
            raise DataError(
                f"column {column!r} holds {kind}, not text", where=name, fix=f"set {setting} to a column of strings"
            )
    return list(dict.fromkeys(named.values()))


def _is_text(kind: "pa.DataType") -> bool:
    from pyarrow import types

    held = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return any(test(held) for test in tests)


def _batch_rows(metadata: Any, columns: list[str]) -> int:
    """Rows of about _BATCH_BYTES, by the sizes in the footer."""
    size = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        chunks = map(group.column, range(group.num_columns))
        size += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in columns)
    average: int = max(1, size // max(1, metadata.num_rows))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // average))


def _cells(batch: "pa.RecordBatch", text_field: str, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Values of one row after the other; strings as bytes, of the text at most `max_bytes` + 1."""
    columns = {
        name: _bytes(column, max_bytes if name == text_field else None) if _is_text(column.type) else column.to_pylist()
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _bytes(column: "pa.Array[Any]", max_bytes: int | None) -> Iterator[bytes | None]:
    """The cells of a column of strings; one at a time, so that Python holds one text and not the batch again."""
    import pyarrow as pa

    plain: Any = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
    end = None if max_bytes is None else max_bytes + 1
    for cell in plain.cast(pa.large_binary()):
        stored = cell.as_buffer()
        yield None if stored is None else stored[:end].to_pybytes()


def _row(number: int, cells: dict[str, Any], text_field: str, check: Check, max_bytes: int) -> Row | BadRow:
    raw = cells[text_field]
    if raw is not None and len(raw) > max_bytes:
        return too_long(number, raw, "text_too_long", max_bytes)
    value: dict[str, Any] = {}
    fault: Fault | None = None
    for name, cell in cells.items():
        decoded = decode_utf8(cell, name) if isinstance(cell, bytes) else cell
        fault = fault or (decoded if isinstance(decoded, Fault) else None)
        value[name] = decoded
    fault = fault or check(value)
    if fault:
        return BadRow(number=number, fault=fault, raw=raw or b"")
    return Row(number=number, value=value)
