import errno
import gzip
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from data_prep.errors import DataError, UsageError
from data_prep.jsonl import (
    COUNT_LIMIT,
    BadRow,
    Fault,
    Row,
    bounded_lines,
    check_start,
    read,
    read_lines,
    text_fault,
    undamaged,
)
from data_prep.layout import REPOSITORY_ROOT

GOOD = b'{"text": "\xe0\xa4\x95"}\n'


def check(value: dict[str, Any]) -> Fault | None:
    return text_fault(value, "text")


def file(tmp_path: Path, content: bytes, name: str = "f.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


BAD = [
    (b"\n", "empty_line", "the line is empty"),
    (b'{"text": "caf\xe9"}\n', "not_utf8", "not UTF-8 at byte 14 of the line: e9 22 7d 0a"),
    (b'{"text": "x"\n', "not_json", "not valid JSON"),
    (b"[" * 100_000 + b"\n", "not_json", "not valid JSON"),
    (b"[1]\n", "not_an_object", "expected a JSON object, found list"),
    (b'{"texts": "x", "id": 1}\n', "missing_text", "no field 'text'; fields here: texts, id"),
    (b'{"text": null}\n', "text_not_string", "field 'text' holds NoneType, not text"),
    (b'{"text": " \\n "}\n', "empty_text", "field 'text' is empty"),
    (b'{"text": "\\ud83d"}\n', "lone_surrogate", "half of a surrogate pair"),
    (b'{"text": "n\\u0000l"}\n', "nul_character", "field 'text' holds a NUL at character 2"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), BAD, ids=[f"{reason}-{len(line)}" for line, reason, _ in BAD])
def test_a_bad_line_is_kept_with_its_reason_or_named(tmp_path: Path, line: bytes, reason: str, detail: str) -> None:
    path = file(tmp_path, GOOD + line + GOOD)
    rows = list(read(path, check, "reject"))
    bad = rows[1]
    assert isinstance(bad, BadRow)
    assert (bad.number, bad.fault.reason, bad.raw) == (2, reason, line[:-1])
    assert len(rows) == 3
    with pytest.raises(DataError) as raised:
        list(read(path, check, "error"))
    message = str(raised.value)
    assert detail in message
    assert "(1 line is bad in this file)" in message
    assert f"{path}:2\n" in message
    assert f"it starts with {line[:-1][:40]!r}" in message
    assert "on_bad_line=reject" in message


def test_wrong_encoding_comes_with_the_command_that_mends_it(tmp_path: Path) -> None:
    path = file(tmp_path, '{"text": "x"}\n'.encode("utf-16"))
    with pytest.raises(DataError, match=r"not UTF-8 at byte 1 of the line: ff fe(.|\n)*iconv -f ENCODING -t UTF-8"):
        list(read(path, check, "error"))


def test_surrogate_pairs_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = file(tmp_path, b'\xef\xbb\xbf{"text": "\\ud83d\\ude42"}\r\n')
    (row,) = read(path, check, "error")
    assert row.value == {"text": "🙂"}


def test_bad_lines_are_counted_up_to_a_limit(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD + b"x\n" * 5)
    with pytest.raises(DataError, match=r"\(5 lines are bad in this file\)"):
        list(read(path, check, "error"))
    path = file(tmp_path, b"x\n" * (COUNT_LIMIT + 5))
    with pytest.raises(DataError, match=r"\(at least 1000 lines are bad in this file\)"):
        list(read(path, check, "error"))


def test_counting_bad_lines_does_not_wait_for_the_end_of_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_prep.jsonl.COUNT_ROWS", 10)
    path = file(tmp_path, b"x\n" * 3 + GOOD * 20)
    with pytest.raises(DataError, match=r"\(at least 3 lines are bad in this file\)"):
        list(read(path, check, "error"))


def test_a_line_over_the_limit_is_read_past_and_its_neighbours_are_whole() -> None:
    long = b'{"text": "' + b"x" * 5000 + b'"}\n'
    content = io.BytesIO(b"\xef\xbb\xbf" + GOOD + long + GOOD + long + long.rstrip())
    found = list(read_lines(content, check, 100))
    assert [type(row) for row in found] == [Row, BadRow, Row, BadRow, BadRow]
    bad = found[1]
    assert isinstance(bad, BadRow)
    assert bad.fault == ("line_too_long", "the line is longer than 100 bytes (ingest.max_document_bytes)")
    assert long.startswith(bad.raw)


@pytest.mark.parametrize("size", range(95, 106))
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_the_limit_cuts_no_line_in_two(size: int, mark: bytes) -> None:
    line = b"x" * size + b"\n"
    found = list(bounded_lines(io.BytesIO(mark + line + b"next\n"), 100))
    assert found[1:] == [b"next\n"]
    assert found[0] == line if size < 100 else len(found[0]) > 100


def test_a_line_of_100_mb_costs_no_more_memory_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(GOOD)
        for _ in range(100):
            out.write(b"x" * 1_000_000)
        out.write(b"\n" + GOOD)
    code = f"""
from pathlib import Path
from data_prep.files import open_binary
from data_prep.jsonl import read_lines
with open_binary(Path({str(path)!r})) as lines:
    found = [type(row).__name__ for row in read_lines(lines, lambda value: None, 1_000_000)]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(found, int(peak.split()[1]) < 60_000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT)
    assert done.stdout == "['Row', 'BadRow', 'Row'] True\n"


def test_a_disk_that_fails_is_not_called_a_damaged_file() -> None:
    def failing() -> Iterator[Row]:
        yield Row(number=1, value={})
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(
        DataError, match=r"reading stopped after line 1: .*Input/output error(.|\n)*run the same command"
    ):
        list(undamaged(failing(), "f.jsonl"))


def test_an_empty_file_is_an_error_in_either_mode(tmp_path: Path) -> None:
    for mode in ("error", "reject"):
        with pytest.raises(DataError, match=r"this file is empty(.|\n)*f\.jsonl"):
            list(read(file(tmp_path, b""), check, mode))


def test_compressed_files_read_like_plain_ones(tmp_path: Path) -> None:
    for name, pack in (("f.jsonl.gz", gzip.compress), ("f.jsonl.zst", zstandard.compress)):
        assert len(list(read(file(tmp_path, pack(GOOD * 3), name), check, "error"))) == 3


@pytest.mark.parametrize("cut", [-30, 20], ids=["cut short", "garbage"])
def test_a_damaged_compressed_file_is_an_error_in_either_mode(tmp_path: Path, cut: int) -> None:
    lines = b"".join(b'{"text": "%d"}\n' % number for number in range(20_000))
    for name, pack in (("f.jsonl.gz", gzip.compress), ("f.jsonl.zst", zstandard.compress)):
        packed = pack(lines)
        damaged = packed[:cut] if cut < 0 else packed[:cut] + b"\xff" * 60 + packed[cut + 60 :]
        for mode in ("error", "reject"):
            with pytest.raises(DataError, match=r"the compressed file is damaged|is not valid JSON|not UTF-8"):
                list(read(file(tmp_path, damaged, name), check, mode))


def test_the_start_of_a_file_is_checked_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist(.|\n)*none\.jsonl(.|\n)*repository root"):
        check_start(tmp_path / "none.jsonl", check, "error")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_start(tmp_path / "folder.jsonl", check, "error")
    with pytest.raises(UsageError, match=r"cannot tell(.|\n)*\.jsonl\.zst"):
        check_start(file(tmp_path, GOOD, "f.csv"), check, "error")
    with pytest.raises(DataError, match="not valid JSON"):
        check_start(file(tmp_path, b"x\n"), check, "error")
    check_start(file(tmp_path, b"x\n"), check, "reject")
    check_start(file(tmp_path, GOOD * 200 + b"x\n"), check, "error")
