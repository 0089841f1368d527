"""The side files: what was written about a document is read back by its number."""

import numpy as np
import pytest

from data_prep.dedup import index as side_files
from data_prep.dedup.index import CONTENT_ROW, ID_ROW, Hashing, Index, IndexedShard, write_shard
from data_prep.dedup.words import content_key, hash_text, word_hashes
from data_prep.errors import DataError
from tests.data_prep.dedup.corpora import REAL, document, text

HASHING = Hashing(ngram=5, bands=16, rows=8)
SIZES = (3, 0, 5)


def make_index(folder):
    shards, first = [], 0
    for place, count in enumerate(SIZES):
        shard = IndexedShard(dataset=REAL, base=folder / f"{place:05d}", first=first, count=count)
        write_shard(shard, [document(REAL, f"दस्तावेज़-{first + n}", text(first + n)) for n in range(count)], HASHING)
        shards.append(shard)
        first += count
    return Index(shards=tuple(shards))


@pytest.fixture(params=[1, 2, 512])
def index(tmp_path, monkeypatch, request):
    """Three shards, one of them empty, written in batches of several sizes."""
    monkeypatch.setattr(side_files, "BATCH", request.param)
    return make_index(tmp_path)


def test_every_document_is_found_by_its_number_in_any_order(index):
    numbers = np.array([7, 0, 3, 7, 2])
    assert index.documents == sum(SIZES)
    assert index.ids(numbers) == [f"दस्तावेज़-{n}" for n in numbers]
    assert index.content_keys(numbers).tolist() == [content_key(word_hashes(text(n))) for n in numbers]
    assert index.shard_of(numbers).tolist() == [2, 0, 2, 2, 0]


def test_rows_of_keys_hold_all_documents_of_a_shard_in_order(index):
    assert index.shards[2].row(ID_ROW).tolist() == [hash_text(f"दस्तावेज़-{n}") for n in range(3, 8)]
    assert index.shards[2].row(CONTENT_ROW)[1] == content_key(word_hashes(text(4)))
    assert index.shards[1].row(ID_ROW).size == 0


def test_pairs_are_compared_by_signature_and_by_id(index):
    left, right = np.array([0, 0, 5]), np.array([0, 4, 5])
    assert index.similarity(left, right).tolist() == [1.0, 0.0, 1.0]
    assert index.same_id(left, right).tolist() == [1.0, 0.0, 1.0]
    nothing = np.empty(0, np.int64)
    assert index.similarity(nothing, nothing).size == 0
    assert index.ids(nothing) == []


@pytest.mark.parametrize(("count", "found"), [(1, "more than 1"), (3, "2")])
def test_a_shard_that_disagrees_with_its_receipt_is_refused(tmp_path, count, found):
    """Documents are numbered before their shards are read."""
    shard = IndexedShard(dataset=REAL, base=tmp_path / "00000", first=0, count=count)
    with pytest.raises(DataError) as raised:
        write_shard(shard, [document(REAL, "a", "a"), document(REAL, "b", "b")], HASHING)
    assert f"web.hi-Deva.real/00000 holds {found} documents, its receipt says {count}" in str(raised.value)
    assert "delete the receipt" in str(raised.value)
    assert not any(path.exists() for path in shard.files)
