from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.documents import Document, Reject
from data_prep.errors import DataError

from .conftest import PACK, records

Make = Callable[[str, bytes], Path]


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_is_one_document_with_its_marks_and_lf_line_ends(make_file: Make, suffix: str) -> None:
    path = make_file(f"a.txt{suffix}", "\ufeffकि\u200dताब\r\n\r\nहिंदी है।\r\n".encode())
    (document,) = records(path)
    assert isinstance(document, Document)
    assert document.text == "कि\u200dताब\n\nहिंदी है।"
    assert (document.id, document.group, document.license) == ("news-1", "news-1", "CC0-1.0")


def test_lines_and_blocks_are_documents_where_the_source_says_so(make_file: Make) -> None:
    path = make_file("a.txt", "एक\r\nदो\n\n \nतीन\n".encode())
    assert [record.text for record in records(path, text_unit="line")] == ["एक", "दो", "तीन"]
    assert [record.text for record in records(path, text_unit="block")] == ["एक\nदो", "तीन"]


def test_documents_of_several_files_have_names_of_their_own(make_file: Make, tmp_path: Path) -> None:
    make_file("a.txt", b"a\nb\n")
    make_file("b.txt", b"c\n")
    assert [record.id for record in records(tmp_path, text_unit="line")] == [
        "news-00000-1",
        "news-00000-2",
        "news-00001-1",
    ]


@pytest.mark.parametrize("unit", ["file", "line", "block"])
def test_text_over_the_limit_is_rejected_with_its_start_alone(make_file: Make, tmp_path: Path, unit: str) -> None:
    make_file("a.txt", b"a" * 3_000_000 + b"\n" + b"b" * 3_000_000)
    make_file("b.txt", b"fine")
    *long, fine = records(tmp_path, "reject", max_bytes=2000, text_unit=unit)
    assert (len(long), fine.text) == (2 if unit == "line" else 1, "fine")
    for record in long:
        assert isinstance(record, Reject)
        assert (record.reason, len(record.text)) == ("text_too_long", 1000)
        assert "longer than 2,000 bytes (ingest.max_document_bytes)" in record.where


def test_a_block_of_many_short_lines_over_the_limit_is_rejected_too(make_file: Make) -> None:
    path = make_file("a.txt", b"short\n" * 1000 + b"\nfine\n")
    long, fine = records(path, "reject", max_bytes=2000, text_unit="block")
    assert isinstance(long, Reject)
    assert (long.reason, fine.text) == ("text_too_long", "fine")


def test_bytes_that_are_no_text_are_rejected_or_named(make_file: Make) -> None:
    path = make_file("a.txt", b"good\n\ncaf\xe9 \n\nu\0t\0f\n\nnot empty\n")
    found = records(path, "reject", text_unit="block")
    reasons = [record.reason if isinstance(record, Reject) else "kept" for record in found]
    assert reasons == ["kept", "not_utf8", "nul_character", "kept"]
    with pytest.raises(DataError, match=r"not UTF-8 at byte 4 of the text: e9(.|\n)*iconv"):
        records(path, text_unit="block")


def test_a_file_without_text_is_an_error(make_file: Make) -> None:
    with pytest.raises(DataError, match="this file is empty"):
        records(make_file("a.txt", b""))
    with pytest.raises(DataError, match="field 'text' is empty"):
        records(make_file("b.txt", b"\n \n"))
    with pytest.raises(DataError, match="this file is empty"):
        records(make_file("c.txt", b"\n \n"), text_unit="line")
