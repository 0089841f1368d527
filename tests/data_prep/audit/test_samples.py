"""Samples: the same whatever the order, bounded whatever the size, cut without breaking letters."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.audit import samples
from data_prep.errors import DataError
from data_prep.files import shard_writer


@given(st.lists(st.text(min_size=1), unique=True, max_size=30), st.integers(0, 5))
def test_the_choice_does_not_depend_on_the_order(ids, count):
    records = [{"id": each} for each in ids]
    shuffled = random.Random(1).sample(records, len(records))
    assert samples.smallest(records, count, "id") == samples.smallest(shuffled, count, "id")


def test_only_the_head_of_a_shard_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "HEAD_LINES", 5)
    monkeypatch.setattr(samples, "HEAD_BYTES", 2_000)
    path = tmp_path / "00000.jsonl.zst"
    for length, expected in ((1, 5), (1_500, 2)):
        with shard_writer(path) as write:
            for number in range(20):
                write(json.dumps({"id": number, "text": "x" * length}))
        assert len(list(samples.head(path))) == expected


def test_a_shard_that_is_gone_has_no_samples(tmp_path):
    assert list(samples.head(tmp_path / "gone.jsonl.zst")) == []


def test_a_damaged_shard_is_named(tmp_path):
    path = tmp_path / "00000.jsonl.zst"
    path.write_bytes(b"not zstd")
    with pytest.raises(DataError) as raised:
        list(samples.head(path))
    assert str(path) in str(raised.value)
    assert "it is made anew" in str(raised.value)


def test_an_excerpt_ends_at_a_space():
    text = "हिन्दी की किताबें " * 40
    shown = samples.excerpt(text)
    assert len(shown) <= samples.TEXT_CHARACTERS + 2
    assert all(word in text.split() for word in shown.removesuffix(" …").split())
    assert samples.excerpt("छोटा") == "छोटा"
