"""Verdicts on disk: by position, since ids may repeat, and with the words people read."""

import numpy as np

from data_prep.dedup.clusters import Verdicts
from data_prep.dedup.verdicts import read_judged, summary, write_verdicts
from data_prep.documents import Reject
from data_prep.files import shard_writer
from tests.data_prep.dedup.corpora import REAL, document, text
from tests.data_prep.dedup.test_index import make_index

VERDICTS = Verdicts(
    dropped=np.array([1, 4, 7]),
    kept=np.array([0, 0, 3]),
    reasons=np.array([0, 1, 2]),
    similarities=np.array([0.25, 1.0, 0.8671875]),
    paired=6,
    undecided=2,
)


def test_a_shard_is_read_with_its_own_verdicts_and_no_others(tmp_path):
    index = make_index(tmp_path)
    with shard_writer(tmp_path / "shard") as write:
        for number in range(3, 8):
            write(document(REAL, "the same id", text(number)).to_json())
    write_verdicts(index, index.shards[2], tmp_path / "verdicts.zst", VERDICTS)
    (tmp_path / "shard").rename(tmp_path / "shard.zst")
    records = list(read_judged(tmp_path / "shard.zst", tmp_path / "verdicts.zst"))
    assert [record.text for record in records] == [text(number) for number in range(3, 8)]
    assert [(place, each.reason, each.where) for place, each in enumerate(records) if isinstance(each, Reject)] == [
        (1, "exact_duplicate", "duplicate of दस्तावेज़-0 of web.hi-Deva.real, similarity 1.000"),
        (4, "near_duplicate", "duplicate of दस्तावेज़-3 of web.hi-Deva.real, similarity 0.867"),
    ]


def test_the_receipt_says_who_was_dropped_for_whom(tmp_path):
    one = {"real -> real": 1}
    assert summary(make_index(tmp_path), VERDICTS) == {
        "documents": 8,
        "clusters": 2,
        "largest_cluster": 3,
        "dropped": {"duplicate_id": one, "exact_duplicate": one, "near_duplicate": one},
        "documents_with_a_pair": 6,
        "undecided": 2,
    }
