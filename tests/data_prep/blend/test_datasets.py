import json
import os
import shutil
from pathlib import Path

import pytest

from data_prep.blend.datasets import find_datasets, require_one_tokenizer
from data_prep.blend.records import Dataset, LeftOut
from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from data_prep.layout import Layout, receipt_path

EN, HI = "small.en-Latn.real", "small.hi-Deva.real"


@pytest.fixture
def copy(small_prep: Layout, tmp_path: Path) -> Layout:
    """A preparation of one's own, to spoil."""
    shutil.copytree(small_prep.root, tmp_path / "data")
    return Layout(tmp_path / "data")


def edit_receipt(layout: Layout, **changes: object) -> Path:
    """Changes keys of a receipt; those of `details` one by one."""
    path = receipt_path(layout.prefix(HI, "train"))
    receipt = json.loads(path.read_text())
    receipt["details"] |= changes.pop("details", {})
    path.write_text(json.dumps(receipt | changes))
    return path


def test_a_folder_without_datasets_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no token datasets(.|\n)*tokens_dir=DIR/tokens"):
        find_datasets(tmp_path)


def test_a_prefix_without_documents_is_told_not_passed_over(copy: Layout) -> None:
    path = edit_receipt(copy, outputs={})
    _, empty = find_datasets(copy.tokens)
    assert LeftOut(prefix=str(copy.prefix(HI, "train")), why="no document is on the train side") in empty
    assert path.is_file()


def test_a_dataset_without_receipt_is_refused(copy: Layout) -> None:
    receipt_path(copy.prefix(HI, "train")).unlink()
    with pytest.raises(DataError, match=rf"receipt is missing(.|\n)*{HI}"):
        find_datasets(copy.tokens)


def test_a_dataset_cut_short_is_refused(copy: Layout) -> None:
    tokens = copy.prefix(HI, "train").with_name(f"{HI}_text_document.bin")
    tokens.write_bytes(tokens.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"no longer holds: .*\.bin has \d+ bytes(.|\n)*langadapt prep"):
        find_datasets(copy.tokens)


def test_a_dataset_older_than_its_text_is_refused(copy: Layout) -> None:
    shard = copy.document_shard(HI, "train", "00000")
    shard.write_bytes(copy.document_shard(EN, "train", "00000").read_bytes())
    with pytest.raises(DataError, match=r"no longer holds: .*00000\.jsonl\.zst has changed since"):
        find_datasets(copy.tokens)


def test_text_put_back_with_its_old_times_is_noticed(copy: Layout) -> None:
    """Rsync -t and cp -p set the modification time; the kernel sets the change time."""
    shard = copy.document_shard(HI, "train", "00000")
    before = shard.stat()
    shard.write_bytes(bytes(before.st_size))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match="has changed since"):
        find_datasets(copy.tokens)


def test_text_not_touched_since_is_not_read_again(small_prep: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr("data_prep.receipts.sha256_file", lambda path: read.append(path) or sha256_file(path))
    find_datasets(small_prep.tokens)
    assert read == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"documents": 1}, r"the index holds \d+ documents, \d+ tokens; the receipt says 1 and"),
        ({"tokens": 7}, r"the receipt says \d+ and 7"),
        ({"outputs": {"x": 3}}, "x is missing"),
        ({"outputs": 3}, "not one of a token dataset: AttributeError"),
        ({"inputs": ["a"]}, "not one of a token dataset: AttributeError"),
    ],
)
def test_a_receipt_that_says_something_else_is_refused(copy: Layout, changes: dict, message: str) -> None:
    path = edit_receipt(copy, **changes)
    with pytest.raises(DataError, match=message) as raised:
        find_datasets(copy.tokens)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stage": "tokenize"}', "\udcff"])
def test_a_receipt_that_cannot_be_read_is_refused(copy: Layout, content: str) -> None:
    path = receipt_path(copy.prefix(HI, "train"))
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match=r"receipt cannot be read(.|\n)*langadapt prep") as raised:
        find_datasets(copy.tokens)
    assert raised.value.where == str(path)


def test_a_folder_in_a_receipts_place_is_refused(copy: Layout) -> None:
    path = receipt_path(copy.prefix(HI, "train"))
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"receipt cannot be read: .*Is a directory"):
        find_datasets(copy.tokens)


def test_a_receipt_without_the_facts_of_a_dataset_is_refused(copy: Layout) -> None:
    path = receipt_path(copy.prefix(HI, "train"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"details": {}}))
    with pytest.raises(DataError, match="not one of a token dataset: KeyError"):
        find_datasets(copy.tokens)


def test_datasets_of_different_tokenizers_are_refused(copy: Layout) -> None:
    edit_receipt(copy, details={"tokenizer_sha256": "0" * 64})
    datasets, _ = find_datasets(copy.tokens)
    with pytest.raises(DataError, match=r"2 different tokenizers(.|\n)*000000000000"):
        require_one_tokenizer(datasets, copy.tokenizer)


def test_another_or_no_tokenizer_is_refused(small_prep: Layout, tmp_path: Path) -> None:
    datasets: list[Dataset] = find_datasets(small_prep.tokens)[0]
    for given in (small_prep.tokenizer, small_prep.tokenizer.parent):
        assert require_one_tokenizer(datasets, given) == small_prep.tokenizer
    with pytest.raises(UsageError, match=r"not where it was made(.|\n)*tokenizer=PATH"):
        require_one_tokenizer(datasets, tmp_path / "none.model")
    other = tmp_path / "other.model"
    other.write_text("x")
    with pytest.raises(DataError, match=r"not the tokenizer(.|\n)*other\.model"):
        require_one_tokenizer(datasets, other)
