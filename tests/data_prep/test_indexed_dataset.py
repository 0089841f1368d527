import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder

from data_prep.errors import DataError
from data_prep.indexed_dataset import dataset_writer, merge_datasets, read_size, remove_dataset, token_dtype

DOCUMENTS = [[5, 6, 3], [3], [*list(range(400)), 3]]


def write(prefix: Path, documents: list[list[int]], dtype: str) -> Path:
    with dataset_writer(prefix, dtype) as add:
        for document in documents:
            add(document)
    return prefix


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_the_bytes_are_megatrons(tmp_path: Path, dtype: str) -> None:
    builder = IndexedDatasetBuilder(f"{tmp_path}/theirs.bin", dtype=getattr(np, dtype))
    for document in DOCUMENTS:
        builder.add_item(torch.tensor(document))
        builder.end_document()
    builder.finalize(f"{tmp_path}/theirs.idx")
    write(tmp_path / "ours", DOCUMENTS, dtype)
    for suffix in ("bin", "idx"):
        assert (tmp_path / f"ours.{suffix}").read_bytes() == (tmp_path / f"theirs.{suffix}").read_bytes()


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_megatron_reads_them(tmp_path: Path, dtype: str) -> None:
    dataset = IndexedDataset(str(write(tmp_path / "x.real_text_document", DOCUMENTS, dtype)))
    assert [dataset[number].tolist() for number in range(len(dataset))] == DOCUMENTS
    assert dataset.document_indices.tolist() == [0, 1, 2, 3]


@given(st.integers(1, 300_000))
def test_the_dtype_is_the_one_megatron_chooses(vocab_size: int) -> None:
    assert token_dtype(vocab_size) == DType.optimal_dtype(vocab_size).__name__


def test_the_dtype_changes_where_megatron_changes_it() -> None:
    assert (token_dtype(65_499), token_dtype(65_500)) == ("uint16", "int32")


def test_an_interrupted_write_leaves_the_old_pair(tmp_path: Path) -> None:
    prefix = write(tmp_path / "p", DOCUMENTS, "uint16")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def write_half() -> None:
        with dataset_writer(prefix, "uint16") as add:
            add([1, 3])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_id_beyond_the_dtype_is_an_error_not_another_token(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="70000 do not fit uint16"), dataset_writer(tmp_path / "p", "uint16") as add:
        add([70_000])


def test_sizes_are_read_without_the_tokens(tmp_path: Path) -> None:
    size = read_size(write(tmp_path / "p", DOCUMENTS, "int32"))
    assert (size.dtype, size.sequences, size.documents, size.tokens) == ("int32", 3, 3, 405)


def test_damaged_pairs_are_named(tmp_path: Path) -> None:
    prefix = write(tmp_path / "p", DOCUMENTS, "uint16")
    index = tmp_path / "p.idx"
    whole = index.read_bytes()
    for content in (b"", whole[:20], whole[:-8], b"X" + whole[1:], whole[:17] + b"\x05" + whole[18:]):
        index.write_bytes(content)
        with pytest.raises(DataError, match=r"not a whole Megatron token dataset(.|\n)*p\.idx"):
            read_size(prefix)
    index.write_bytes(whole)
    (tmp_path / "p.bin").unlink()
    with pytest.raises(DataError, match="No such file"):
        read_size(prefix)


def test_removing_a_pair_twice_is_fine(tmp_path: Path) -> None:
    prefix = write(tmp_path / "p", DOCUMENTS, "uint16")
    remove_dataset(prefix)
    remove_dataset(prefix)
    assert not list(tmp_path.iterdir())


@given(st.lists(st.lists(st.lists(st.integers(0, 65_499), max_size=5), max_size=4), min_size=1, max_size=4))
def test_merged_parts_have_the_bytes_of_one_writer(parts: list[list[list[int]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prefixes = [write(folder / str(number), part, "int32") for number, part in enumerate(parts)]
        merge_datasets(folder / "merged", prefixes)
        write(folder / "whole", [document for part in parts for document in part], "int32")
        for suffix in ("bin", "idx"):
            assert (folder / f"merged.{suffix}").read_bytes() == (folder / f"whole.{suffix}").read_bytes()


def test_a_batch_has_the_bytes_of_its_documents(tmp_path: Path) -> None:
    write(tmp_path / "one", DOCUMENTS, "uint16")
    with dataset_writer(tmp_path / "batch", "uint16") as add:
        add(np.concatenate(DOCUMENTS[:2]).astype(np.uint32), np.array([3, 1]))
        add(np.array(DOCUMENTS[2]), [len(DOCUMENTS[2])])
    for suffix in ("bin", "idx"):
        assert (tmp_path / f"batch.{suffix}").read_bytes() == (tmp_path / f"one.{suffix}").read_bytes()


def test_a_long_document_index_is_written_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "whole", [[3]] * 10, "uint16")
    monkeypatch.setattr("data_prep.indexed_dataset._CHUNK", 3)
    write(tmp_path / "chunks", [[3]] * 10, "uint16")
    assert (tmp_path / "chunks.idx").read_bytes() == (tmp_path / "whole.idx").read_bytes()
