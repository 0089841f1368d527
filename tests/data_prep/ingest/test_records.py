import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.documents import Document, Reject
from data_prep.errors import DataError
from data_prep.ingest.records import row_fault
from data_prep.layout import REPOSITORY_ROOT

from .conftest import PACK, records, source

Make = Callable[[str, bytes], Path]


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def test_a_document_carries_its_source_and_its_own_name_and_group(make_file: Make) -> None:
    path = make_file("a.jsonl", lines({"id": 7, "text": "क", "pair": "p1"}, {"id": "x", "text": "ख"}))
    first, second = records(path, group_field="pair")
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
    assert isinstance(second, Document)
    assert (second.id, second.group) == ("x", "x")


def test_documents_without_ids_are_named_after_their_line(make_file: Make) -> None:
    path = make_file("a.jsonl", lines({"body": "क"}, {"body": "ख"}))
    assert [record.id for record in records(path, id_field=None, text_field="body")] == ["news-1", "news-2"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"text": "x"}, "missing_id"),
        ({"text": "x", "id": None}, "missing_id"),
        ({"text": "x", "id": [1]}, "bad_id"),
        ({"text": "x", "id": 1, "pair": {}}, "bad_pair"),
        ({"text": "x", "id": 1, "rights": 7}, "bad_license"),
        ({"id": 1}, "missing_text"),
    ],
)
def test_what_makes_a_row_unusable(value: dict[str, Any], reason: str) -> None:
    fault = row_fault(source(group_field="pair", license_field="rights"), value)
    assert fault is not None
    assert fault.reason == reason


def test_a_reject_keeps_its_place_and_its_bytes(make_file: Make) -> None:
    path = make_file("a.jsonl", b'{"id": 1, "text": "x"}\n\xff{\n')
    _, reject = records(path, "reject")
    assert reject == Reject(
        id="a.jsonl:2",
        reason="not_utf8",
        where=f"{path}:2: not UTF-8 at byte 1 of the line: ff 7b 0a",
        text="\\xff{",
    )


def test_a_source_without_one_good_line_is_an_error(make_file: Make, tmp_path: Path) -> None:
    path = make_file("a.jsonl", lines({"id": 1, "txt": "x"}))
    with pytest.raises(DataError, match=r"every line of this file is bad(.|\n)*text_field"):
        records(path, "reject")
    make_file("b.jsonl", lines({"id": 1, "text": "x"}))
    assert [type(record) for record in records(tmp_path, "reject")] == [Reject, Document]


def test_an_empty_file_among_others_is_counted_or_an_error(make_file: Make, tmp_path: Path) -> None:
    make_file("a.jsonl", b"")
    make_file("b.jsonl", lines({"id": 1, "text": "x"}))
    empty, _ = records(tmp_path, "reject")
    assert isinstance(empty, Reject)
    assert empty.reason == "empty_file"
    with pytest.raises(DataError, match=r"this file is empty(.|\n)*a\.jsonl"):
        records(tmp_path)


def test_a_limit_counts_the_rows_of_each_file(make_file: Make, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_file(f"{name}.jsonl", lines(*({"id": n, "text": "x"} for n in range(9)), {"bad": 1}))
    assert len(records(tmp_path, limit=4)) == 8
    with pytest.raises(DataError, match="no field 'text'"):
        records(tmp_path, limit=10)


@pytest.mark.parametrize("suffix", PACK)
def test_every_packing_reads_like_plain_lines(make_file: Make, suffix: str) -> None:
    path = make_file(f"a.jsonl{suffix}", b"\xef\xbb\xbf" + lines({"id": 1, "text": "कि\r\nहिं"}).replace(b"\n", b"\r\n"))
    assert [record.text for record in records(path)] == ["कि\r\nहिं"]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2"])
def test_a_cut_file_is_an_error_in_either_mode(make_file: Make, suffix: str) -> None:
    path = make_file(f"a.jsonl{suffix}", lines(*({"id": n, "text": f"x{n}"} for n in range(50_000))))
    path.write_bytes(path.read_bytes()[:-30])
    for mode in ("error", "reject"):
        with pytest.raises(DataError, match=r"the compressed file is damaged after line \d+(.|\n)*download"):
            records(path, mode)


def test_a_file_that_is_not_compressed_as_it_says_is_damaged(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst", ".bz2"):
        path = tmp_path / f"a.jsonl{suffix}"
        path.write_bytes(lines({"id": 1, "text": "x"}))
        with pytest.raises(DataError, match="the compressed file is damaged after line 0"):
            records(path, "reject")


@pytest.mark.parametrize("suffix", PACK)
def test_a_line_of_100_mb_costs_no_more_memory_than_the_limit(make_file: Make, suffix: str) -> None:
    row = lines({"id": 1, "text": "x"})
    small, big = (
        make_file(f"{size}.jsonl{suffix}", row + b"x" * size + b"\n" + row) for size in (2_000_000, 100_000_000)
    )
    code = f"""
from pathlib import Path
from tests.data_prep.ingest.conftest import records
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
records(Path({str(small)!r}), "reject", max_bytes=1_000_000)
before = peak()
found = [getattr(item, "reason", "kept") for item in records(Path({str(big)!r}), "reject", max_bytes=1_000_000)]
print(found, peak() - before < 10_000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT)
    assert done.stdout == "['kept', 'line_too_long', 'kept'] True\n"


BAD_LINES = st.sampled_from([b"", b"broken", b"\xff\xfe", b"[1]", b'{"id": 1}', b'{"text": null, "id": 1}', b"x" * 300])
GOOD_LINES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).map(
    lambda text: lines({"id": 1, "text": f"x{text}"}).rstrip(b"\n")
)


@settings(max_examples=60)
@given(content=st.lists(st.one_of(BAD_LINES, GOOD_LINES), min_size=1), end=st.sampled_from([b"\n", b"\r\n"]))
def test_every_line_ends_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], end: bytes
) -> None:
    content.append(b'{"id": "last", "text": "last"}')
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    path.write_bytes(end.join(content))
    found = records(path, "reject", max_bytes=250)
    assert len(found) == len(content)
    for line, record in zip(content, found, strict=True):
        if isinstance(record, Document):
            assert record.text == json.loads(line)["text"]
        else:
            shown = line.decode(errors="backslashreplace")
            assert shown.startswith(record.text) if len(line) > 200 else shown == record.text
