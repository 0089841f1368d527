"""Frames come back exactly, each by itself, and damage is found."""

from pathlib import Path

import pytest
import zstandard

from data_prep.errors import DataError
from data_prep.translate.fetch import results_of
from data_prep.translate.frames import index_path, read_frame, write_frames

FRAMES = [["एक\u2028 दो\n", "three"], [], [{"failed": "copied"}, ""]]


def test_each_frame_is_read_by_itself(tmp_path: Path) -> None:
    path, index = write_frames(tmp_path / "a.zst", FRAMES)
    assert index == index_path(path)
    assert [read_frame(path, number) for number in range(3)] == FRAMES


def test_the_whole_file_is_ordinary_zstd(tmp_path: Path) -> None:
    path, _ = write_frames(tmp_path / "a.zst", FRAMES)
    reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
    assert reader.read().count(b"\n") == 5


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-3] + b"abc", lambda _: b""])
def test_damage_is_an_instruction(tmp_path: Path, damage: object) -> None:
    path, _ = write_frames(tmp_path / "a.zst", FRAMES)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match="cannot read frame 2") as error:
        read_frame(path, 2)
    assert "it is made anew" in str(error.value)


def test_translations_of_other_segments_are_refused(tmp_path: Path) -> None:
    segments, _ = write_frames(tmp_path / "segments.zst", [["one", "two"]])
    short, _ = write_frames(tmp_path / "0-of-1.zst", [["एक"]])
    with pytest.raises(DataError, match="not those of this shard"):
        results_of(segments, 0, (short,))
