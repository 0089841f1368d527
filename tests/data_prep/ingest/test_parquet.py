from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from data_prep.documents import Document, Reject
from data_prep.errors import DataError

from .conftest import records


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet.write_table(pa.table(columns), path, **options)
    return path


TEXTS = ["हिंदी में मात्राएँ", "क्\u200dष", "line\r\nline"]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_every_type_of_text_column_gives_the_same_documents(tmp_path: Path, kind: pa.DataType) -> None:
    path = write(tmp_path / "a.parquet", {"text": pa.array(TEXTS).cast(kind), "id": [1, 2, 3], "url": ["u"] * 3})
    found = records(path)
    assert [record.text for record in found] == TEXTS
    assert [record.id for record in found] == ["1", "2", "3"]


def test_a_row_may_bring_its_group_and_its_licence(tmp_path: Path) -> None:
    columns = {
        "body": ["क", "ख", "ग"],
        "doc_id": ["a", "b", "c"],
        "pair": [1, None, 3],
        "rights": ["CC-BY-4.0", None, ""],
    }
    found = records(
        write(tmp_path / "a.parquet", columns),
        text_field="body",
        id_field="doc_id",
        group_field="pair",
        license_field="rights",
    )
    facts = [(item.id, item.group, item.license) for item in found if isinstance(item, Document)]
    assert facts == [("a", "1", "CC-BY-4.0"), ("b", "b", "CC0-1.0"), ("c", "3", "CC0-1.0")]


def test_bad_cells_are_rejected_with_their_row_and_the_rest_is_kept(tmp_path: Path) -> None:
    binary = [b"fine", None, b"caf\xe9", b"\xed\xa0\x80", b" ", b"n\0l", b"x" * 5000, "अंत".encode()]
    text = pa.array(binary, pa.binary())
    path = write(tmp_path / "a.parquet", {"text": text, "id": [*range(7), None]}, row_group_size=3)
    found = records(path, "reject", max_bytes=4000)
    reasons = {record.id: record.reason for record in found if isinstance(record, Reject)}
    assert reasons == {
        "a.parquet:2": "text_not_string",
        "a.parquet:3": "not_utf8",
        "a.parquet:4": "not_utf8",
        "a.parquet:5": "empty_text",
        "a.parquet:6": "nul_character",
        "a.parquet:7": "text_too_long",
        "a.parquet:8": "missing_id",
    }
    assert [record.text for record in found if isinstance(record, Document)] == ["fine"]
    assert len(found) == len(binary)
    with pytest.raises(DataError, match=r"'text' holds NoneType(.|\n)*a\.parquet:2(.|\n)*on_bad_line=reject"):
        records(path)


def test_invalid_utf8_in_an_id_is_a_bad_row(tmp_path: Path) -> None:
    ids = pa.array([b"ok", b"\xff"], pa.binary())
    _, bad = records(write(tmp_path / "a.parquet", {"text": ["a", "b"], "id": ids}), "reject")
    assert isinstance(bad, Reject)
    assert (bad.reason, "byte 1 of the id: ff" in bad.where) == ("not_utf8", True)


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        ({"content": ["x"], "id": [1]}, {}, r"no column 'text'; its columns are content, id(.|\n)*set text_field"),
        ({"text": ["x"], "url": ["u"]}, {}, r"no column 'id'(.|\n)*set id_field(.|\n)*id_field: null"),
        ({"text": ["x"], "id": [1]}, {"group_field": "pair"}, r"no column 'pair'(.|\n)*set group_field"),
        ({"text": [1], "id": [1]}, {}, r"column 'text' holds int64, not text"),
        ({"text": [["x"]], "id": [1]}, {}, r"column 'text' holds list"),
        ({"text": ["x"], "id": [1.5]}, {}, r"column 'id' holds double"),
    ],
)
def test_a_file_of_another_schema_is_refused_with_its_columns(
    tmp_path: Path, columns: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "a.parquet", columns)
    for mode in ("error", "reject"):
        with pytest.raises(DataError, match=message):
            records(path, mode, **changes)


def test_damage_is_named_with_the_last_good_row(tmp_path: Path) -> None:
    good = write(tmp_path / "a.parquet", {"text": [f"text {n}" * 50 for n in range(5000)], "id": range(5000)})
    content = good.read_bytes()
    middle = len(content) // 2
    for damaged, message in (
        (content[:-100], r"cannot be read after row 0"),
        (b"PAR1 and no more", r"cannot be read after row 0"),
        (content[:middle] + b"\xff" * 2000 + content[middle + 2000 :], r"cannot be read after row \d+"),
        (b"", r"cannot be read after row 0"),
    ):
        path = tmp_path / "b.parquet"
        path.write_bytes(damaged)
        for mode in ("error", "reject"):
            with pytest.raises(DataError, match=message):
                records(path, mode, max_bytes=10_000)


def test_a_parquet_file_without_rows_is_an_error_alone_and_a_reject_among_others(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"text": pa.array([], pa.string()), "id": pa.array([], pa.string())})
    with pytest.raises(DataError, match="this file is empty"):
        records(tmp_path / "a.parquet", "reject")
    write(tmp_path / "b.parquet", {"text": ["x"], "id": ["1"]})
    empty, kept = records(tmp_path, "reject")
    assert isinstance(empty, Reject)
    assert (empty.reason, kept.text) == ("empty_file", "x")
