import gzip
from pathlib import Path

import pytest
import zstandard

from data_prep.errors import DataError
from data_prep.files import atomic_write, open_binary, read_blocks, read_shard, read_shards, sha256_file, shard_writer

from .test_documents import document


def write(path: Path, count: int = 3) -> Path:
    with shard_writer(path) as append:
        for n in range(count):
            append(document(id=str(n)).to_json())
    return path


def test_an_interrupted_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_leftover_of_a_killed_run_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".f.tmp").write_bytes(b"a much longer leftover")
    with atomic_write(tmp_path / "f") as file:
        file.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"new"


def test_equal_documents_give_equal_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.zst").read_bytes() == write(tmp_path / "b.zst").read_bytes()


def test_shards_read_back_in_order(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.zst", 2), write(tmp_path / "b.zst", 0), write(tmp_path / "c.zst", 1)]
    assert [item.id for item in read_shards(paths)] == ["0", "1", "0"]


def test_a_shard_cut_short_is_an_error_not_a_shorter_shard(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", 1000)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"ends inside a compressed frame(.|\n)*a\.zst(.|\n)*made anew"):
        list(read_shard(path))


def test_a_missing_or_foreign_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        list(read_shard(tmp_path / "none.zst"))
    (tmp_path / "foreign.zst").write_bytes(zstandard.compress(b'{"text": "no tags"}\n'))
    with pytest.raises(DataError, match="missing required field `id`"):
        list(read_shard(tmp_path / "foreign.zst"))


def test_compressed_files_of_several_frames_and_long_lines_read_whole(tmp_path: Path) -> None:
    lines = [b"x" * 3_000_000 + b"\n", b"short\n"]
    (tmp_path / "a.zst").write_bytes(b"".join(map(zstandard.compress, lines)))
    (tmp_path / "a.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    for name in ("a.zst", "a.gz"):
        with open_binary(tmp_path / name) as file:
            assert list(file) == lines


def test_a_checksum_notices_an_edit(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    first = sha256_file(path)
    path.write_bytes(b"two!")
    assert sha256_file(path) != first


@pytest.mark.parametrize("size", [1, 500, 1 << 20])
def test_blocks_are_whole_lines_across_frames_and_together_the_shard(tmp_path: Path, size: int) -> None:
    lines = [f"{number} {'क' * number}\n".encode() for number in range(200)]
    path = tmp_path / "a.zst"
    path.write_bytes(b"".join(zstandard.compress(b"".join(lines[first : first + 7])) for first in range(0, 200, 7)))
    blocks = list(read_blocks(path, size))
    assert b"".join(blocks) == b"".join(lines)
    assert all(block.endswith(b"\n") for block in blocks)
    assert (len(blocks) > 1) == (size < 1 << 20)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="ends inside a compressed frame"):
        list(read_blocks(path, size))
