from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.documents import Document, Reject
from data_prep.errors import DataError
from data_prep.files import open_binary, read_shard
from data_prep.ingest import read_source, row_fault, write_documents
from data_prep.layout import Layout
from data_prep.receipts import Tally

from .test_prep_settings import source

Make = Callable[..., Path]


def test_a_document_carries_its_source_and_its_own_name_and_group(make_jsonl: Make) -> None:
    path = make_jsonl("a.jsonl", [{"id": 7, "text": "क", "pair": "p1"}, {"id": "x", "text": "ख"}])
    first, second = read_source(source(path=path, group_field="pair"), "error")
    assert first == Document(
        id="7",
        text="क",
        lang="hi-Deva",
        kind="real",
        source="news",
        license="CC0-1.0",
        parent_id=None,
        group="p1",
    )
    assert (second.id, second.group) == ("x", "x")


def test_documents_without_ids_are_named_after_their_line(make_jsonl: Make) -> None:
    path = make_jsonl("a.jsonl", [{"body": "क"}, {"body": "ख"}])
    records = read_source(source(path=path, id_field=None, text_field="body"), "error")
    assert [record.id for record in records] == ["news-1", "news-2"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"text": "x"}, "missing_id"),
        ({"text": "x", "id": None}, "missing_id"),
        ({"text": "x", "id": [1]}, "bad_id"),
        ({"text": "x", "id": 1, "pair": {}}, "bad_pair"),
        ({"id": 1}, "missing_text"),
    ],
)
def test_what_makes_a_line_unusable(value: dict[str, Any], reason: str) -> None:
    fault = row_fault(source(group_field="pair"), value)
    assert fault is not None
    assert fault.reason == reason


def test_a_reject_keeps_its_place_and_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "text": "x"}\n\xff{\n')
    _, reject = read_source(source(path=path), "reject")
    assert reject == Reject(
        id="a.jsonl:2",
        reason="not_utf8",
        where=f"{path}:2: not UTF-8 at byte 1 of the line: ff 7b 0a",
        text="\\xff{",
    )


def test_a_file_without_one_good_line_is_an_error(make_jsonl: Make) -> None:
    path = make_jsonl("a.jsonl", [{"id": 1, "txt": "x"}])
    with pytest.raises(DataError, match=r"every line of this file is bad(.|\n)*text_field"):
        list(read_source(source(path=path), "reject"))


def test_parallel_documents_fall_on_the_same_side(make_jsonl: Make, tmp_path: Path) -> None:
    layout, sides = Layout(tmp_path), []
    for lang in ("en-Latn", "hi-Deva"):
        records = [{"id": f"{lang}{n}", "text": "x", "pair": f"p{n}"} for n in range(100)]
        path = make_jsonl(f"{lang}.jsonl", records)
        documents = read_source(source(path=path, lang=lang, group_field="pair"), "error")
        write_documents(layout, lang, 0.2, documents, Tally())
        sides.append({item.group for item in read_shard(layout.shard(lang, "heldout"))})
    assert sides[0] == sides[1]
    assert 8 < len(sides[0]) < 35


def test_every_record_ends_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b'{"id": %d, "text": "x"}\n' % n if n % 3 else b"broken\n" for n in range(90)))
    layout = Layout(tmp_path)
    write_documents(layout, "d", 0.3, read_source(source(path=path), "reject"), Tally())
    kept = [item.id for split in ("train", "heldout") for item in read_shard(layout.shard("d", split))]
    with open_binary(layout.rejects("d")) as rejects:
        assert (len(kept), len(set(kept)), len(list(rejects))) == (60, 60, 30)
