"""Files past the page cache hold the same bytes, whatever their size, and say what the disk said."""

import contextlib
import errno
import fcntl
import hashlib
import os
import random
import resource
from pathlib import Path

import pytest

from recipes.convert import direct_files
from recipes.convert.direct_files import BLOCK_BYTES, DirectOutput, RangeInput

CONTENT = random.Random(0).randbytes(5 * BLOCK_BYTES + 5000)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, BLOCK_BYTES, BLOCK_BYTES + 1, len(CONTENT)])
@pytest.mark.parametrize("step", [100_000, 3 * BLOCK_BYTES])
def test_what_is_written_in_pieces_is_there_with_its_hash(tmp_path: Path, size: int, step: int) -> None:
    path, content = tmp_path / "x", memoryview(CONTENT)[:size]
    path.write_bytes(b"something longer" * 1000)
    with DirectOutput(path) as output:
        for start in range(0, size, step):
            output.write(content[start : start + step])
        assert output.position == size
        assert output.finish() == hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content


def test_more_blocks_than_are_in_flight_stay_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_files, "BLOCK_BYTES", 8192)
    with DirectOutput(tmp_path / "x") as output:
        output.write(CONTENT)
        assert output.finish() == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("is_shared", [False, True])
def test_any_range_is_read_and_the_end_of_the_file_is_its_end(tmp_path: Path, *, is_shared: bool) -> None:
    path, draw = tmp_path / "x", random.Random(1)
    path.write_bytes(CONTENT)
    ranges = [(draw.randrange(len(CONTENT)), draw.randrange(BLOCK_BYTES)) for _ in range(50)]
    edges = [(0, BLOCK_BYTES), (4095, BLOCK_BYTES), (len(CONTENT) - 1, 10), (len(CONTENT), 10), (2 * len(CONTENT), 10)]
    with contextlib.closing(RangeInput(path, is_shared=is_shared)) as file:
        for start, size in ranges + edges:
            assert file.read(start, size) == CONTENT[start : start + size]


@pytest.mark.parametrize("refused", ["open", "pwrite"])
def test_without_direct_io_the_bytes_are_the_same_and_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: str
) -> None:
    opened, written = os.open, os.pwrite

    def refuse(path: Path, flags: int, *rest: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return opened(path, flags, *rest)

    def refuse_to_write(descriptor: int, data: memoryview, position: int) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return written(descriptor, data, position)

    monkeypatch.setattr(os, refused, {"open": refuse, "pwrite": refuse_to_write}[refused])
    with DirectOutput(tmp_path / "x") as output:
        output.write(CONTENT)
        output.finish()
    with contextlib.closing(RangeInput(tmp_path / "x", is_shared=False)) as file:
        assert file.read(5, 4096) == CONTENT[5:4101]
    assert capsys.readouterr().out.count(f"the file system of {tmp_path} has no direct I/O") == 1


def test_another_refusal_is_not_taken_for_that(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        DirectOutput(tmp_path)


def test_a_disk_that_refuses_in_the_background_is_heard(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK_BYTES + 5000, hard))
    try:
        with DirectOutput(tmp_path / "x") as output:
            output.write(CONTENT[: 2 * BLOCK_BYTES])
            with pytest.raises(OSError, match="File too large"):
                output.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
