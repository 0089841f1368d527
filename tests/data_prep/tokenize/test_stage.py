import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
from megatron.core.datasets.indexed_dataset import IndexedDataset

from data_prep.errors import UsageError
from data_prep.executor.run import Execution
from data_prep.files import read_shard, sha256_file
from data_prep.indexed_dataset import read_size
from data_prep.layout import Layout, receipt_path
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.tasks import run_step
from data_prep.tokenize.settings import TokenizeSettings
from data_prep.tokenize.stage import check, stage
from tests.data_prep.test_prep_settings import source
from tests.data_prep.tokenize.corpora import DATASET, finished_shards, run, texts, train_bytes

DATASETS = ["small.en-Latn.real", "small.hi-Deva.real", "small.hi-Latn.romanized"]


def parts(settings: PrepSettings) -> list[Path]:
    return [path for path in settings.layout.tokens.rglob("*") if "_parts" in path.parts and path.is_file()]


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_document_is_there_and_ends_with_eod(small_prep: Layout, dataset: str, split: str) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(small_prep.tokenizer))
    tokens = IndexedDataset(str(small_prep.prefix(dataset, split)))
    shard = "real_00000" if "romanized" in dataset else "00000"
    texts = [item.text for item in read_shard(small_prep.document_shard(dataset, split, shard))]
    assert len(tokens) == len(texts) > 0
    for number, text in enumerate(texts):
        ids = tokens[number].tolist()
        assert ids[-1] == processor.eos_id() == 3
        assert 3 not in ids[:-1]
        assert processor.decode(ids[:-1]) == text


def test_the_receipt_says_what_a_blend_needs_to_know(small_prep: Layout) -> None:
    prefix = small_prep.prefix(DATASETS[1], "train")
    receipt = Receipt.load(receipt_path(prefix))
    assert receipt.tokens == read_size(prefix).tokens
    assert receipt.by["hi-Deva"]["real"]["tokens"] == receipt.tokens
    details = receipt.details
    assert (details["source"], details["lang"], details["kind"]) == ("small", "hi-Deva", "real")
    assert details["tokenizer_sha256"] == sha256_file(small_prep.tokenizer)
    assert (details["dtype"], details["eod_id"], details["bos_id"]) == ("uint16", 3, None)
    assert details["encoders"] == {"gigatoken 0.10.0": 1}
    assert details["fallbacks"] == {}


def test_shards_are_appended_in_their_order_whatever_the_workers_and_batches(
    small_prep: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = finished_shards(tmp_path / "one", small_prep.tokenizer, [40, 0, 25, 3])
    assert run(settings) == [8, 2]
    prefix = settings.layout.prefix(DATASET.name, "train")
    tokens = IndexedDataset(str(prefix))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(small_prep.tokenizer))
    assert [processor.decode(tokens[n].tolist()[:-1]) for n in range(len(tokens))] == list(texts(68))
    monkeypatch.setattr("data_prep.tokenize.encoder.BLOCK_BYTES", 50)
    monkeypatch.setattr("data_prep.files._ZSTD_SLICE", 8)
    other = replace(finished_shards(tmp_path / "two", small_prep.tokenizer, [40, 0, 25, 3]), workers=2)
    run(other)
    assert train_bytes(other) == train_bytes(settings)


def test_parts_are_gone_and_nothing_is_done_again(small_prep: Layout, tmp_path: Path) -> None:
    settings = finished_shards(tmp_path, small_prep.tokenizer, [5, 4])
    assert run(settings) == [4, 2]
    assert not parts(settings)
    assert not any(settings.layout.tokens.glob("_parts/*/*"))
    assert run(settings) == [0, 0]


def test_a_run_killed_between_the_steps_goes_on_with_its_parts(small_prep: Layout, tmp_path: Path) -> None:
    settings = finished_shards(tmp_path, small_prep.tokenizer, [5, 4])
    planned = stage(settings)
    run_step(planned, planned.steps[0], execution=Execution(), logs=tmp_path / "logs")
    Path(next(path for path in parts(settings) if path.suffix == ".bin")).unlink()
    assert run(settings) == [1, 2]
    assert not parts(settings)


def test_what_a_run_killed_behind_a_receipt_left_is_removed_by_the_next(small_prep: Layout, tmp_path: Path) -> None:
    settings = finished_shards(tmp_path, small_prep.tokenizer, [5, 4])
    planned = stage(settings)
    run_step(planned, planned.steps[0], execution=Execution(), logs=tmp_path / "logs")
    shutil.copytree(settings.layout.tokens / "_parts", tmp_path / "kept")
    assert run(settings) == [0, 2]
    shutil.copytree(tmp_path / "kept", settings.layout.tokens / "_parts", dirs_exist_ok=True)
    assert run(settings) == [0, 0]
    assert not parts(settings)


def test_another_tokenizer_or_an_edited_shard_makes_the_dataset_anew(small_prep: Layout, tmp_path: Path) -> None:
    settings = finished_shards(tmp_path, small_prep.tokenizer, [5, 4])
    run(settings)
    shard = settings.layout.document_shard(DATASET.name, "train", "00001")
    shard.write_bytes(settings.layout.document_shard(DATASET.name, "train", "00000").read_bytes())
    assert run(settings) == [2, 1]
    assert read_size(settings.layout.prefix(DATASET.name, "train")).documents == 10
    assert run(replace(settings, tokenize=TokenizeSettings(add_bos=True))) == [4, 2]


def test_bos_stands_before_every_document_and_in_the_receipt(small_prep: Layout, tmp_path: Path) -> None:
    plain = finished_shards(tmp_path, small_prep.tokenizer, [5])
    settings = replace(plain, tokenize=TokenizeSettings(add_bos=True))
    run(settings)
    prefix = settings.layout.prefix(DATASET.name, "train")
    tokens = IndexedDataset(str(prefix))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(small_prep.tokenizer))
    expected = [[2, *processor.encode(text), 3] for text in texts(5)]
    assert [tokens[n].tolist() for n in range(len(tokens))] == expected
    receipt = Receipt.load(receipt_path(prefix))
    assert (receipt.details["bos_id"], receipt.tokens) == (2, sum(map(len, expected)))


def test_a_dataset_without_documents_leaves_no_files_not_even_old_ones(small_prep: Layout, tmp_path: Path) -> None:
    settings = finished_shards(tmp_path, small_prep.tokenizer, [3])
    run(settings)
    prefix = settings.layout.prefix(DATASET.name, "heldout")
    assert not list(prefix.parent.glob("*.idx"))
    assert Receipt.load(receipt_path(prefix)).outputs == {}
    finished_shards(tmp_path, small_prep.tokenizer, [0])
    run(settings)
    assert not list(settings.layout.tokens.rglob("*.idx"))
    assert not list(settings.layout.tokens.rglob("*.bin"))


def test_datasets_of_another_configuration_are_refused(tmp_path: Path) -> None:
    settings = PrepSettings(output_dir=tmp_path, sources=(source(),))
    own = settings.layout.prefix("news.hi-Deva.real", "train")
    other = settings.layout.prefix("gone.hi-Deva.real", "train")
    own.parent.mkdir(parents=True)
    own.with_name(own.name + ".idx").touch()
    check(settings)
    other.with_name(other.name + ".idx").touch()
    with pytest.raises(UsageError, match=r"1 token dataset(.|\n)*gone\.hi-Deva\.real(.|\n)*rm -r .*/tokens"):
        check(settings)
