"""The pass over the .bin finds what a plain loop over the tokens finds, whatever the size of its blocks."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.indexed_dataset import dataset_writer
from data_prep.verify.faults import Findings
from data_prep.verify.index import Index, open_index
from data_prep.verify.tokens import Ends, KnownIds, TokenChecks, scan

EOD = 3
KNOWN = KnownIds(size=6, eod_id=EOD)


def plain(documents: Sequence[Sequence[int]]) -> Counter[str]:
    """The faults by definition."""
    found = Counter[str]()
    for document in documents:
        found["id_out_of_vocabulary"] += sum(token >= KNOWN.size for token in document)
        found["missing_eod"] += bool(document) and document[-1] != EOD
        for at, token in enumerate(document[:-1]):
            if token == EOD:
                found["doubled_eod" if at == len(document) - 2 else "inner_eod"] += 1
    missing, elsewhere = found["missing_eod"], found["doubled_eod"] + found["inner_eod"]
    if elsewhere and missing > max(1, len(documents) // 2):
        return Counter(mixed_up_pair=1, id_out_of_vocabulary=found["id_out_of_vocabulary"])
    return found


def write(prefix: Path, documents: Sequence[Sequence[int]], dtype: str) -> Index:
    with dataset_writer(prefix, dtype) as add:
        for document in documents:
            add(document)
    index = open_index(Path(f"{prefix}.idx"), Path(f"{prefix}.bin").stat().st_size, Findings())
    assert index
    return index


@settings(max_examples=200)
@given(
    documents=st.lists(st.lists(st.sampled_from([1, 2, EOD, EOD, 5, 6]), max_size=7), min_size=1, max_size=9),
    dtype=st.sampled_from(["uint16", "int32"]),
    tokens_a_block=st.sampled_from([1, 2, 3, 1000]),
    entries_a_block=st.sampled_from([1, 2, 1000]),
)
def test_blocks_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[list[int]],
    dtype: str,
    tokens_a_block: int,
    entries_a_block: int,
) -> None:
    prefix = tmp_path_factory.mktemp("tokens") / "p"
    index = replace(write(prefix, documents, dtype), block=entries_a_block)
    found = Findings()
    checks = TokenChecks(dtype=index.dtype, known=KNOWN, ends=Ends(index.document_ends()), found=found)
    checksum = scan(Path(f"{prefix}.bin"), checks, block=tokens_a_block * index.dtype.itemsize)
    assert {code: fault.count for code, fault in found.faults.items()} == dict(+plain(documents))
    assert checksum == hashlib.sha256(Path(f"{prefix}.bin").read_bytes()).hexdigest()
    assert (checks.tokens, checks.documents) == (sum(map(len, documents)), len(documents) if checks.tokens else 0)


def test_places_count_from_the_start_of_the_file_in_every_block(tmp_path: Path) -> None:
    documents = [[1, 2, EOD], [], [1, 9, 2, 1], [EOD]]
    index = write(tmp_path / "p", documents, "uint16")
    for block in (2, 6, 1 << 20):
        found = Findings()
        checks = TokenChecks(dtype=np.dtype("<u2"), known=KNOWN, ends=Ends(index.document_ends()), found=found)
        scan(tmp_path / "p.bin", checks, block=block)
        assert [(fault.code, fault.places) for fault in found.faults.values()] == [
            ("id_out_of_vocabulary", ["token 4 (byte 8 of the .bin) in document 2 is 9; the last id is 5"]),
            ("missing_eod", ["token 6 (byte 12 of the .bin) in document 2 is 1"]),
        ]


def test_ends_are_taken_once_and_in_order() -> None:
    ends = Ends(iter([np.array([2, 5]), np.array([5]), np.array([9])]))
    assert ends.until(1).tolist() == []
    assert ends.following.tolist() == [2]
    assert ends.until(5).tolist() == [2, 5, 5]
    assert ends.until(100).tolist() == [9]
    assert (ends.until(200).tolist(), ends.following.tolist()) == ([], [])


def test_a_token_that_begins_and_ends_documents_is_only_right_there(tmp_path: Path) -> None:
    documents = [[EOD, 1, EOD], [EOD, EOD], [EOD, 1, EOD, 2, EOD], [EOD, 1, 2], [EOD, 1, EOD]]
    index = write(tmp_path / "p", documents, "uint16")
    for block in (2, 6, 1 << 20):
        found = Findings()
        known = replace(KNOWN, bos_id=EOD)
        scan(
            tmp_path / "p.bin",
            TokenChecks(dtype=np.dtype("<u2"), known=known, ends=Ends(index.document_ends()), found=found),
            block=block,
        )
        assert {code: fault.places for code, fault in found.faults.items()} == {
            "inner_eod": ["token 7 (byte 14 of the .bin) in document 2"],
            "missing_eod": ["token 12 (byte 24 of the .bin) in document 3 is 2"],
        }
