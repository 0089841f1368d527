from pathlib import Path

import pytest
import sentencepiece
from megatron.core.datasets.indexed_dataset import IndexedDataset

from data_prep.errors import UsageError
from data_prep.files import read_shard, sha256_file, shard_writer
from data_prep.indexed_dataset import read_size
from data_prep.layout import Layout, receipt_path
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt, Tally
from data_prep.tokenize import check, write_tokens

from .test_documents import document
from .test_prep_settings import source

DATASETS = ["small.en-Latn.real", "small.hi-Deva.real", "small.hi-Latn.romanized"]


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
    assert details["dtype"] == "uint16"


def test_no_documents_leave_no_files_not_even_old_ones(small_prep: Layout, tmp_path: Path) -> None:
    prefix = tmp_path / "p"
    assert len(write_tokens(prefix, small_prep.tokenizer, [document()], Tally()).outputs) == 2
    assert write_tokens(prefix, small_prep.tokenizer, [], Tally()).outputs == ()
    assert not list(tmp_path.iterdir())


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


def test_a_shard_larger_than_a_batch_is_tokenised_whole(small_prep: Layout, tmp_path: Path) -> None:
    with shard_writer(tmp_path / "s.zst") as append:
        for number in range(700):
            append(document(id=str(number)).to_json())
    tally = Tally()
    write_tokens(tmp_path / "p", small_prep.tokenizer, tally.watch(read_shard(tmp_path / "s.zst")), tally)
    size = read_size(tmp_path / "p")
    assert (size.documents, size.tokens) == (700, tally.total("tokens"))
