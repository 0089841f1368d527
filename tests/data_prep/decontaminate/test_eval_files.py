import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from data_prep.decontaminate.eval_files import files, rows
from data_prep.errors import DataError, LangadaptError, UsageError

ITEMS = [
    {"question": 'क्या?\n"हाँ", वह', "choices": {"text": ["एक", "two"], "label": ["A", "B"]}},
    {"question": "why, then?", "choices": {"text": ["x"], "label": ["A"]}},
]
JSONL = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in ITEMS).encode()


def read(path: Path, *, has_header: bool = True) -> list[tuple[str, dict]]:
    return [(row.where, dict(row.value)) for file in files(path) for row in rows(file, has_header=has_header)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", JSONL),
        ("a.jsonl.gz", gzip.compress(JSONL)),
        ("a.jsonl.zst", zstandard.compress(JSONL)),
        ("a.json", json.dumps(ITEMS).encode()),
        ("a.json", b"\xef\xbb\xbf" + json.dumps({"version": 1, "data": ITEMS, "tags": ["x"]}).encode()),
    ],
)
def test_json_in_every_form(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == [(f"{name}:1", ITEMS[0]), (f"{name}:2", ITEMS[1])]


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ITEMS), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a.parquet:1", ITEMS[0]), ("a.parquet:2", ITEMS[1])]


def test_csv_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('question,A\n"क्या, ""वह""\nहै?",हाँ\n\nb,c\n', "utf-8-sig")
    assert read(tmp_path / "a.csv") == [
        ("a.csv:3", {"question": 'क्या, "वह"\nहै?', "A": "हाँ"}),
        ("a.csv:5", {"question": "b", "A": "c"}),
    ]


def test_csv_without_header_has_numbered_columns(tmp_path: Path) -> None:
    """As MMLU's own files: question, four choices, letter."""
    (tmp_path / "a.csv").write_text("क्या?,एक,दो,A\n", "utf-8")
    assert read(tmp_path / "a.csv", has_header=False) == [("a.csv:1", {"0": "क्या?", "1": "एक", "2": "दो", "3": "A"})]


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    """A benchmark with a file for each subject is one set."""
    for name in ("b.jsonl", "a.jsonl"):
        (tmp_path / name).write_text('{"q": "x"}\n')
    (tmp_path / "README.md").write_text("no items")
    assert [where for where, _ in read(tmp_path)] == ["a.jsonl:1", "b.jsonl:1"]


def test_a_pickle_inside_a_parquet_name_is_not_loaded(tmp_path: Path) -> None:
    """Evaluation files are other people's: reading one must not run what it says."""
    trap = tmp_path / "trap"
    (tmp_path / "a.parquet").write_bytes(b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    with pytest.raises(DataError, match="damaged after item 0"):
        read(tmp_path / "a.parquet")
    assert not trap.exists()


BAD = [
    ("a.jsonl", b'{"q": "x"}\n{"q": \n', "not valid JSON", "a.jsonl:2"),
    ("a.jsonl", b'{"q": "x"}\n[1]\n', "expected a JSON object, found list", "a.jsonl:2"),
    ("a.jsonl", b'{"q": "\xff"}\n', "not UTF-8", "a.jsonl:1"),
    ("a.jsonl", b"", "this file is empty", "a.jsonl"),
    ("a.jsonl.gz", gzip.compress(JSONL)[:-9], "damaged after", "a.jsonl.gz"),
    ("a.json", b"[{]", "not valid JSON", "a.json"),
    ("a.json", b"\xff", "not valid JSON", "a.json"),
    ("a.json", b"[]", "holds no items", "a.json"),
    ("a.json", b'[{"q": "x"}, 3]', "expected a JSON object, found int", "a.json:2"),
    ("a.json", b'{"a": 1}', "found no list of objects", "a.json"),
    ("a.json", b'{"a": [{}], "b": [{}]}', "found lists of objects under a, b", "a.json"),
    ("a.json.zst", zstandard.compress(JSONL)[:-3], "damaged after item 0", "a.json.zst"),
    ("a.csv", b"q,A\nx,y,z\n", "this row has 3 columns, the first has 2", "a.csv:2"),
    ("a.csv", b'q,A\n"x"y,z\n', "cannot read this CSV", "a.csv:2"),
    ("a.csv", b"q,A\n\xff,z\n", "cannot read this CSV", "a.csv"),
    ("a.csv", b"q,A\n", "holds no items", "a.csv"),
    ("a.csv", b"", "holds no items", "a.csv"),
    ("a.parquet", b"PAR1xxxxPAR1", "damaged after item 0", "a.parquet"),
]


@pytest.mark.parametrize(("name", "content", "what", "where"), BAD, ids=[f"{b[0]}-{b[2]}" for b in BAD])
def test_a_bad_file_or_row_is_named(tmp_path: Path, name: str, content: bytes, what: str, where: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(tmp_path / name)
    assert what in raised.value.what
    assert where in raised.value.where
    assert raised.value.fix


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    for name, what in (
        ("missing.jsonl", "does not exist"),
        ("empty", "holds no file langadapt can read"),
        ("a.txt", "cannot tell what kind of file a.txt is"),
    ):
        with pytest.raises(LangadaptError, match=what) as raised:
            files(tmp_path / name)
        assert isinstance(raised.value, UsageError)
        assert str(tmp_path / name) in raised.value.where
        assert raised.value.fix
