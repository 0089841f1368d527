"""Pairs: the best of those alike leads, whatever the number of tasks."""

import numpy as np

from data_prep.dedup import candidates
from data_prep.dedup.candidates import Comparison, Elected, elect, find_pairs, read_pairs, write_pairs
from data_prep.dedup.index import ID_ROW
from tests.data_prep.dedup.test_index import make_index


def distance(left, right):
    """Alike when near: a similarity that is not transitive."""
    return 1.0 - np.abs(left - right) / 10


def pairs_of(elected):
    return list(zip(elected.leaders.tolist(), elected.followers.tolist(), strict=True))


def test_in_every_group_the_best_leads_those_like_it_then_the_best_of_the_rest():
    groups = np.array([4, 4, 4, 4, 4, 9, 9, 9])
    numbers = np.array([1, 2, 3, 5, 6, 20, 40, 41])
    elected = elect(groups, numbers, distance, 0.8)
    assert sorted(pairs_of(elected)) == [(1, 2), (1, 3), (5, 6), (40, 41)]
    assert elected.undecided == 0


def test_rounds_are_limited_and_who_is_left_is_counted(monkeypatch):
    monkeypatch.setattr(candidates, "MOST_ROUNDS", 2)
    elected = elect(np.zeros(5, np.int64), np.array([0, 10, 20, 30, 31]), distance, 0.8)
    assert pairs_of(elected) == []
    assert elected.undecided == 3


def test_nothing_in_nothing_out():
    empty = np.empty(0, np.int64)
    assert pairs_of(elect(empty, empty, distance, 0.5)) == []


def test_ranges_of_keys_share_out_the_documents(tmp_path, monkeypatch):
    """Every document is seen by exactly one task of a row."""
    index = make_index(tmp_path)
    seen = []
    monkeypatch.setattr(candidates, "elect", lambda groups, numbers, *_: None)
    for part in range(4):
        keys, numbers = candidates._keys_in(index, Comparison(row=ID_ROW, part=part, parts=4, threshold=0.8))
        assert all(key >> 62 == part for key in keys.tolist())
        seen += numbers.tolist()
    assert sorted(seen) == list(range(index.documents))


def test_equal_hashes_of_ids_are_checked_against_the_ids(tmp_path, monkeypatch):
    """At 100 million ids one false match in 64 bits is thinkable; it must not drop a document."""
    index = make_index(tmp_path)
    monkeypatch.setattr(candidates, "_keys_in", lambda *_: (np.zeros(8, np.uint64), np.arange(8)))
    pairs = find_pairs(index, Comparison(row=ID_ROW, part=0, parts=1, threshold=0.8))
    assert pairs_of(pairs) == []


def test_pairs_survive_the_file(tmp_path):
    pairs = Elected(
        leaders=np.array([1, 2]), followers=np.array([3, 2**40]), similarities=np.array([1.0, 0.9]), undecided=0
    )
    write_pairs(tmp_path / "pairs", pairs)
    leaders, followers = read_pairs(tmp_path / "pairs")
    assert (leaders.tolist(), followers.tolist()) == ([1, 2], [3, 2**40])
