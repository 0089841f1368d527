"""Every fault planted in a real dataset is found under its own name and with its place; sound datasets have none."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from megatron.core.datasets.indexed_dataset import IndexedDataset

from data_prep.layout import receipt_path
from data_prep.receipts import Receipt
from data_prep.verify.check import verify
from data_prep.verify.faults import MEANINGS
from data_prep.verify.tokens import KnownIds

from .datasets import DOCUMENTS, EOD, TOKENIZER, change, faults, megatrons, ours, places

NESTED = [[document] for document in DOCUMENTS]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return ours(tmp_path / "news.hi-Deva.real_text_document")


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_our_dataset_is_sound(tmp_path: Path, dtype: str) -> None:
    report = verify(ours(tmp_path / "p", dtype=dtype), TOKENIZER)
    assert (report.faults, report.unchecked, report.notes) == ([], [], [])
    assert (report.documents, report.tokens) == (5, 14)
    assert report.bytes == 14 * np.dtype(dtype).itemsize + 42 + 20 * 5


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_megatrons_dataset_of_any_integer_type_is_sound(tmp_path: Path, dtype: type) -> None:
    documents = [[[5, 6, EOD]], [[7, EOD]]]
    prefix = megatrons(tmp_path / "p", documents, dtype)
    small = replace(TOKENIZER, known=KnownIds(size=200, eod_id=EOD))
    report = verify(prefix, small)
    assert report.faults == []
    assert report.unchecked == ["checksums, counts and the tokenizer it was made with: there is no receipt beside it"]
    theirs = IndexedDataset(str(prefix))  # it unmaps the file when it goes
    assert theirs[1].tolist() == [7, EOD]


def test_documents_of_several_sequences_end_with_one_eod(tmp_path: Path) -> None:
    prefix = megatrons(tmp_path / "p", [[[5, 6], [7, EOD]], [[8, EOD]], [[9], [10], [11, EOD]]])
    report = verify(prefix, TOKENIZER)
    assert report.faults == []
    assert (report.documents, report.tokens) == (3, 10)


def test_documents_without_tokens_are_noted_and_no_fault(tmp_path: Path) -> None:
    report = verify(megatrons(tmp_path / "p", [[], [[5, EOD]], [], [], [[6, EOD]], []]), TOKENIZER)
    assert report.faults == []
    assert report.notes == ["4 documents hold no tokens, as Megatron's preprocess_data.py writes empty texts"]


def test_the_modes_of_a_multimodal_dataset_are_noted_and_no_fault(tmp_path: Path) -> None:
    report = verify(megatrons(tmp_path / "p", NESTED, multimodal=True), TOKENIZER)
    assert report.faults == []
    assert report.notes == ["the .idx holds a mode for each sequence, as multimodal datasets do"]


def test_without_receipt_and_tokenizer_it_is_said_what_nobody_could_check(tmp_path: Path) -> None:
    report = verify(megatrons(tmp_path / "p", NESTED), None)
    assert report.faults == []
    assert report.unchecked == [
        "checksums, counts and the tokenizer it was made with: there is no receipt beside it",
        "ids against a vocabulary, EOD at the end of documents: tokenizer=PATH says which",
    ]


def test_negative_ids_are_faults_in_any_vocabulary(tmp_path: Path) -> None:
    prefix = megatrons(tmp_path / "p", [[[5, -7, EOD]]])
    assert places(prefix, "id_out_of_vocabulary", None) == "token 1 (byte 4 of the .bin) in document 0 is -7"


def test_a_dataset_with_a_receipt_but_no_model_says_so(prefix: Path) -> None:
    report = verify(prefix, None)
    assert report.faults == []
    assert report.unchecked == ["the model's tokenizer: tokenizer=PATH or model=CHECKPOINT.nemo says which"]


def test_a_dataset_of_no_documents_is_no_fault(prefix: Path) -> None:
    path = receipt_path(prefix)
    replace(Receipt.load(path), outputs={}, documents=0, tokens=0).write(path)
    for suffix in (".bin", ".idx"):
        Path(f"{prefix}{suffix}").unlink()
    report = verify(prefix, TOKENIZER)
    assert (report.faults, report.tokens, report.notes) == ([], 0, ["no documents, so no files"])


def test_files_where_the_receipt_says_there_are_none(prefix: Path) -> None:
    path = receipt_path(prefix)
    replace(Receipt.load(path), outputs={}, documents=0, tokens=0).write(path)
    assert f"the receipt knows no {prefix.name}.bin" in places(prefix, "stale_receipt")


@pytest.mark.parametrize("suffix", [".bin", ".idx"])
def test_half_a_pair(prefix: Path, suffix: str) -> None:
    Path(f"{prefix}{suffix}").unlink()
    assert places(prefix, "missing_file") == f"{prefix}{suffix} does not exist"


def test_a_disk_that_cannot_read_is_a_fault_and_no_end_of_the_run(prefix: Path) -> None:
    path = Path(f"{prefix}.bin")
    path.unlink()
    path.symlink_to("/proc/self/mem")  # no one may read its first byte
    assert places(prefix, "unreadable_file").endswith(": Input/output error")


def test_an_empty_dataset_is_named_because_megatron_cannot_open_it(tmp_path: Path) -> None:
    prefix = megatrons(tmp_path / "p", [])
    assert places(prefix, "empty") == f"{prefix}.bin has no bytes"
    with pytest.raises(ValueError, match="empty file"):
        IndexedDataset(str(prefix))


def test_foreign_magic(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 0, b"TNTIDX\x00\x00\x00")
    found = places(prefix, "foreign_magic")
    assert found == rf"bytes 0 to 8 of {prefix}.idx are b'TNTIDX\x00\x00\x00', not b'MMIDIDX\x00\x00'"


def test_wrong_version(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 9, b"\x02")
    assert places(prefix, "wrong_version") == f"bytes 9 to 16 of {prefix}.idx say 2, not 1"


def test_a_type_that_holds_no_ids(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 17, b"\x07")
    assert places(prefix, "wrong_dtype").startswith(f"byte 17 of {prefix}.idx is 7; ids have one of 1 = uint8, ")


@pytest.mark.parametrize("documents", [DOCUMENTS, [[5, 6, EOD]]])
def test_a_type_of_another_size_than_the_sequences_have(tmp_path: Path, documents: list[list[int]]) -> None:
    prefix = ours(tmp_path / "p", documents)
    change(Path(f"{prefix}.idx"), 17, b"\x04")
    assert places(prefix, "wrong_dtype") == (
        f"byte 17 of {prefix}.idx says int32, 4 bytes an id; the sequences lie as those of ids of 2 bytes do"
    )


def test_a_type_of_the_same_size_that_the_receipt_does_not_name(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 17, b"\x03")
    assert places(prefix, "wrong_dtype") == "the .idx says int16, the receipt uint16"


def test_a_type_too_narrow_for_the_vocabulary(tmp_path: Path) -> None:
    large = replace(TOKENIZER, known=KnownIds(size=256_000, eod_id=EOD))
    found = places(megatrons(tmp_path / "p", NESTED, np.uint16), "wrong_dtype", large)
    assert found == "uint16 cannot hold the ids of a vocabulary of 256,000"


def test_truncated_idx(prefix: Path) -> None:
    path = Path(f"{prefix}.idx")
    path.write_bytes(path.read_bytes()[:-8])
    assert places(prefix, "idx_cut_short") == (
        f"{path} has 134 bytes; its 5 sequences and 6 document entries (bytes 18 to 33) need 142"
    )
    path.write_bytes(path.read_bytes()[:33])
    assert places(prefix, "idx_cut_short") == f"{path} has 33 bytes, a header alone has 34"


def test_too_long_idx(prefix: Path) -> None:
    path = Path(f"{prefix}.idx")
    path.write_bytes(path.read_bytes() + bytes(8))
    assert "has 150 bytes; its 5 sequences and 6 document entries (bytes 18 to 33) need 142" in places(
        prefix, "idx_too_long"
    )


def test_flipped_length(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 4, b"\x03")
    assert places(prefix, "wrong_pointer") == (
        "sequence 2 begins at byte 10 of the .bin, not at 14 (byte 70 of the .idx, or the length before)"
    )


def test_flipped_sign_of_a_length(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 3, b"\x80")
    assert places(prefix, "negative_length") == "sequence 0 has -2,147,483,644 tokens (byte 34 of the .idx)"


def test_flipped_pointers(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 20 + 8, b"\x09")
    assert places(prefix, "wrong_pointer").splitlines() == [
        "sequence 1 begins at byte 9 of the .bin, not at 8 (byte 62 of the .idx, or the length before)",
        "sequence 2 begins at byte 10 of the .bin, not at 11 (byte 70 of the .idx, or the length before)",
    ]
    change(Path(f"{prefix}.idx"), 34 + 20, b"\x02")
    assert places(prefix, "wrong_pointer").startswith("sequence 0 begins at byte 2 of the .bin, not at 0")


def test_document_index_out_of_order(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 60 + 16, b"\x00")
    assert places(prefix, "wrong_document_index") == (
        "document 2 begins at sequence 0 of 5, the one before it at 1 (byte 110 of the .idx)"
    )


def test_document_index_that_does_not_begin_or_end_where_it_should(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 60, b"\x01")
    change(Path(f"{prefix}.idx"), 34 + 60 + 40, b"\x04")
    assert places(prefix, "wrong_document_index").splitlines() == [
        "document 0 begins at sequence 1 of 5 and not at 0 (byte 94 of the .idx)",
        "it ends at sequence 4 of 5",
    ]


def test_two_documents_made_one_are_found_by_the_eod_between_them(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 60 + 16, b"\x03")
    assert places(prefix, "inner_eod") == "token 4 (byte 8 of the .bin) in document 1"


def test_truncated_bin(prefix: Path) -> None:
    path = Path(f"{prefix}.bin")
    path.write_bytes(path.read_bytes()[:-5])
    assert faults(verify(prefix, TOKENIZER)) == {"bin_cut_short": 1, "bin_not_as_written": 1, "wrong_counts": 1}
    assert places(prefix, "bin_cut_short") == (
        "it has 23 bytes, the sequences end at byte 28; sequence 3 is the first not whole"
    )
    assert places(prefix, "bin_not_as_written") == f"{path.name} has 23 bytes, the receipt says 28"


def test_too_long_bin(prefix: Path) -> None:
    path = Path(f"{prefix}.bin")
    path.write_bytes(path.read_bytes() + struct.pack("<HH", 5, EOD))
    assert faults(verify(prefix, TOKENIZER)) == {"bin_too_long": 1, "bin_not_as_written": 1, "wrong_counts": 1}
    assert places(prefix, "bin_too_long") == "it has 32 bytes, the sequences end at byte 28"
    assert places(prefix, "wrong_counts") == "16 tokens, the receipt says 14"


def test_mixed_up_pair_of_equal_size(tmp_path: Path) -> None:
    ours(tmp_path / "a", [[5, 6, EOD], [7, EOD], [8, 9, 10, EOD]])
    ours(tmp_path / "b", [[5, EOD], [6, 7, 8, 9, EOD], [9, EOD]])
    shutil.copy(tmp_path / "b.bin", tmp_path / "a.bin")
    assert faults(verify(tmp_path / "a", TOKENIZER)) == {"mixed_up_pair": 1, "bin_not_as_written": 1}
    assert places(tmp_path / "a", "mixed_up_pair") == (
        "2 of 3 documents of the .idx do not end with EOD (id 3), which stands at 2 other places; "
        "the first is token 2 (byte 4 of the .bin) in document 0 is 6"
    )


def test_mixed_up_pair_of_other_size_without_receipt(tmp_path: Path) -> None:
    megatrons(tmp_path / "a", [[[5, 6, EOD]], [[7, EOD]], [[8, 9, 10, EOD]], [[5, 6, 7, EOD]]])
    megatrons(tmp_path / "b", [[[5, EOD]], [[6, 7, 8, 9, EOD]], [[9, EOD]]])
    shutil.copy(tmp_path / "b.bin", tmp_path / "a.bin")
    assert faults(verify(tmp_path / "a", TOKENIZER)) == {"bin_cut_short": 1, "mixed_up_pair": 1}


def test_flipped_id_within_the_vocabulary_is_found_by_the_receipt(prefix: Path) -> None:
    change(Path(f"{prefix}.bin"), 2, b"\x07")
    assert faults(verify(prefix, TOKENIZER)) == {"bin_not_as_written": 1}
    assert "a checksum does not tell which byte" in places(prefix, "bin_not_as_written")


def test_id_out_of_the_vocabulary(prefix: Path) -> None:
    change(Path(f"{prefix}.bin"), 24, struct.pack("<H", 1000))
    assert places(prefix, "id_out_of_vocabulary") == (
        "token 12 (byte 24 of the .bin) in document 4 is 1,000; the last id is 999"
    )


def test_missing_eod(prefix: Path) -> None:
    change(Path(f"{prefix}.bin"), 12, b"\x05")
    assert places(prefix, "missing_eod") == "token 6 (byte 12 of the .bin) in document 2 is 5"


def test_doubled_eod(prefix: Path) -> None:
    change(Path(f"{prefix}.bin"), 20, bytes([EOD, 0]))
    assert places(prefix, "doubled_eod") == "token 10 (byte 20 of the .bin) in document 3"


def test_the_receipt_may_say_that_eod_begins_documents_too(tmp_path: Path) -> None:
    prefix = ours(tmp_path / "p", [[EOD, 5, EOD], [EOD, 6, EOD]])
    assert faults(verify(prefix, TOKENIZER)) == {"inner_eod": 2}
    receipt = Receipt.load(receipt_path(prefix))
    replace(receipt, details=receipt.details | {"bos_id": EOD}).write(receipt_path(prefix))
    assert verify(prefix, TOKENIZER).faults == []


def test_a_dataset_made_without_eod_misses_one_in_every_document(tmp_path: Path) -> None:
    prefix = megatrons(tmp_path / "p", [[[5, 6]], [[7]], [[8, 9]], [[5]]])
    report = verify(prefix, TOKENIZER)
    assert faults(report) == {"missing_eod": 4}
    assert len(report.faults[0].places) == 3


def test_stale_receipt(prefix: Path) -> None:
    old = receipt_path(prefix).read_bytes()
    ours(prefix, [[5, 6, EOD]])
    receipt_path(prefix).write_bytes(old)
    assert faults(verify(prefix, TOKENIZER)) == {"stale_receipt": 1, "wrong_counts": 2}
    assert f"{prefix.name}.bin has 6 bytes, the receipt says 28" in places(prefix, "stale_receipt")
    assert places(prefix, "wrong_counts").splitlines()[0] == "1 documents, the receipt says 5"


def test_the_receipt_of_another_dataset(tmp_path: Path) -> None:
    shutil.copy(receipt_path(ours(tmp_path / "a")), receipt_path(ours(tmp_path / "b")))
    assert "the receipt knows no b.bin, only a.bin and a.idx" in places(tmp_path / "b", "stale_receipt")


def test_unreadable_receipt(prefix: Path) -> None:
    receipt_path(prefix).write_text("{")
    assert places(prefix, "unreadable_receipt").startswith(f"{receipt_path(prefix)}: this receipt cannot be read")


def test_the_receipt_of_another_stage(prefix: Path) -> None:
    path = receipt_path(prefix)
    replace(Receipt.load(path), stage="clean", tokens=None).write(path)
    assert places(prefix, "unreadable_receipt") == f"{path}: it is of stage clean, not tokenize"


def test_wrong_tokenizer(prefix: Path) -> None:
    other = replace(TOKENIZER, sha256="0a" * 32)
    assert places(prefix, "wrong_tokenizer", other) == (
        "there/tokenizer.model: SHA-256 0a0a0a0a0a0a, receipt 5e5e5e5e5e5e"
    )


def test_all_faults_of_a_dataset_are_listed(prefix: Path) -> None:
    change(Path(f"{prefix}.bin"), 0, struct.pack("<H", 5000))
    change(Path(f"{prefix}.bin"), 6, b"\x05")
    change(Path(f"{prefix}.idx"), 34 + 60 + 16, b"\x03")
    assert faults(verify(prefix, replace(TOKENIZER, sha256=""))) == {
        "id_out_of_vocabulary": 1,
        "missing_eod": 1,
        "inner_eod": 1,
        "bin_not_as_written": 1,
        "idx_not_as_written": 1,
        "wrong_tokenizer": 1,
    }


def test_a_faulty_idx_leaves_the_ids_and_the_checksum_to_be_checked(prefix: Path) -> None:
    change(Path(f"{prefix}.idx"), 34 + 4, b"\x03")
    change(Path(f"{prefix}.bin"), 0, struct.pack("<H", 5000))
    report = verify(prefix, TOKENIZER)
    assert set(faults(report)) == {"wrong_pointer", "id_out_of_vocabulary", "bin_not_as_written", "idx_not_as_written"}
    assert report.unchecked == [
        "EOD at the end of documents: the .idx does not say reliably where they end",
    ]
    change(Path(f"{prefix}.idx"), 0, b"X")
    assert verify(prefix, TOKENIZER).unchecked == ["the tokens: the .idx does not say how to read them"]


def test_every_fault_has_a_meaning_and_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in MEANINGS if f'"{code}"' not in source] == []


@pytest.fixture(scope="module")
def flippable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ours(tmp_path_factory.mktemp("flips") / "p")


@settings(max_examples=300)
@given(suffix=st.sampled_from([".bin", ".idx"]), place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_flipped_byte_is_found(flippable: Path, suffix: str, place: float, mask: int) -> None:
    path = Path(f"{flippable}{suffix}")
    whole = path.read_bytes()
    at = int(place * len(whole))
    try:
        change(path, at, bytes([whole[at] ^ mask]))
        assert verify(flippable, TOKENIZER).faults
    finally:
        path.write_bytes(whole)
    assert not verify(flippable, TOKENIZER).faults


INT16 = 3


@settings(max_examples=300)
@given(at=st.integers(0, 141), mask=st.integers(1, 255))
def test_any_flipped_byte_of_an_index_is_found_without_receipt(flippable: Path, at: int, mask: int) -> None:
    """But for a type that reads the same ids."""
    bare = flippable.with_name("bare")
    shutil.copy(f"{flippable}.bin", f"{bare}.bin")
    shutil.copy(f"{flippable}.idx", f"{bare}.idx")
    whole = Path(f"{bare}.idx").read_bytes()
    change(Path(f"{bare}.idx"), at, bytes([whole[at] ^ mask]))
    assert verify(bare, TOKENIZER).faults or (at == 17 and whole[at] ^ mask == INT16)
