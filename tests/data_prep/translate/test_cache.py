"""The cache survives kills, serves other numbers of parts, and never hands out a damaged translation."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.translate.cache import Cache, cache_folder, key_of, part_of

WORDS = {f"segment {n}": f"खंड {n} \n\t\u2028 कि॑" for n in range(50)}


def test_what_was_put_is_found_by_the_next_run(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put(WORDS)
        assert cache.get("segment 7") == WORDS["segment 7"]
        assert cache.get("unknown") is None
    with Cache(tmp_path) as cache:
        assert {segment: cache.get(segment) for segment in WORDS} == WORDS
        assert len(cache) == len(WORDS)


@pytest.mark.parametrize("cut", [1, 2, 20, 40])
def test_a_line_torn_by_a_kill_is_forgotten_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    with Cache(tmp_path) as cache:
        cache.put(WORDS)
    file = tmp_path / "0-of-1"
    file.write_bytes(file.read_bytes()[:-cut])
    with Cache(tmp_path) as cache:
        assert len(cache) == len(WORDS) - 1
        assert "segment 49" not in cache
        cache.put({"segment 49": "नया"})
    with Cache(tmp_path) as cache:
        assert cache.get("segment 49") == "नया"


@given(st.integers(1, 9), st.integers(1, 9))
def test_another_number_of_parts_finds_everything(
    tmp_path_factory: pytest.TempPathFactory, before: int, after: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    for parts in (before, after):
        for part in range(parts):
            own = {segment: text for segment, text in WORDS.items() if part_of(key_of(segment), parts) == part}
            with Cache(folder, part, parts) as cache:
                if parts == before:
                    cache.put(own)
                assert {segment: cache.get(segment) for segment in own} == own
                assert len(cache) == len(own)


def test_a_damaged_line_is_an_instruction(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put(WORDS)
    file = tmp_path / "0-of-1"
    file.write_bytes(b"\0" * 7 + file.read_bytes())
    with pytest.raises(DataError, match="byte 0 does not start a finished segment") as error, Cache(tmp_path):
        pass
    assert "what it held is made again" in str(error.value)


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    with Cache(tmp_path), pytest.raises(DataError, match="another run writes into this file"), Cache(tmp_path):
        pass


def test_each_engine_and_direction_has_a_folder_that_says_what_it_is(tmp_path: Path) -> None:
    one, other = cache_folder(tmp_path, {"model": "a"}), cache_folder(tmp_path, {"model": "b"})
    assert one != other
    assert (one / "engine.json").read_text() == '{\n "model": "a"\n}\n'
    assert cache_folder(tmp_path, {"model": "a"}) == one


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    with (
        Cache(tmp_path),
        pytest.raises(DataError, match=r"another run writes(.|\n)*0-of-1(.|\n)*wait for it to end"),
        Cache(tmp_path),
    ):
        raise AssertionError
