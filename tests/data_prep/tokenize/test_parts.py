import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import zstandard
from loguru import logger
from megatron.core.datasets.indexed_dataset import IndexedDataset

from data_prep import files
from data_prep.errors import DataError
from data_prep.layout import Layout, receipt_path
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Task, finish, no_records
from data_prep.tokenize import encoder, parts
from data_prep.tokenize.gigatoken_model import Encoded, Model
from data_prep.tokenize.hard_texts import HARD_TEXTS
from data_prep.tokenize.parts import Tokens, write_dataset, write_part
from tests.data_prep.tokenize.corpora import DATASET, texts, write_documents


def make_part(folder: Path, tokenizer: Path, name: str, count: int) -> Receipt:
    shard = write_documents(folder / f"{name}.jsonl.zst", texts(count))
    return finish("tokenize", task(folder / name, tokenizer, shard), ())


def task(prefix: Path, tokenizer: Path, shard: Path) -> Task:
    tokens = Tokens(tokenizer=tokenizer, add_bos=False)

    def write(records: Any, tally: Tally) -> Any:
        return write_part(prefix, shard, tokens, records, tally)

    return Task(name="part", settings={}, inputs=(shard,), receipt=receipt_path(prefix), read=no_records, write=write)


def test_a_part_counts_what_it_read(small_prep: Layout, tmp_path: Path) -> None:
    receipt = make_part(tmp_path, small_prep.tokenizer, "00000", 700)
    tokens = IndexedDataset(str(tmp_path / "00000"))
    assert receipt.details["documents"] == len(tokens) == 700
    assert receipt.details["characters"] == sum(map(len, texts(700)))
    assert receipt.details["tokens"] == sum(len(tokens[n]) for n in range(700))
    assert receipt.details["fallback"] is None
    assert receipt.details["checked_texts"] > 60


def test_a_part_whose_encoder_fails_midway_is_made_whole_by_the_reference(
    small_prep: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_part(tmp_path, small_prep.tokenizer, "right", 300)
    good = Model.encode_lines

    def wrong(self: Any, block: bytes) -> Encoded:
        encoded = good(self, block)
        return replace(encoded, ids=encoded.ids + 1) if b" 299 " in block else encoded

    monkeypatch.setattr(Model, "encode_lines", wrong)
    monkeypatch.setattr(encoder, "BLOCK_BYTES", 1)
    monkeypatch.setattr(files, "_ZSTD_SLICE", 8)
    receipt = make_part(tmp_path, small_prep.tokenizer, "00000", 300)
    assert receipt.details["encoder"] == f"sentencepiece {sentencepiece.__version__}"
    assert "differently" in receipt.details["fallback"]
    assert receipt.details["documents"] == 300
    for suffix in (".bin", ".idx"):
        assert (tmp_path / f"00000{suffix}").read_bytes() == (tmp_path / f"right{suffix}").read_bytes()


@pytest.mark.parametrize("bad", [b'{"id": "1"}', b'{"text": "cut', b"", '{"text": "नम'.encode()[:-1] + b'"}'])
def test_a_line_that_holds_no_document_stops_the_part(small_prep: Layout, tmp_path: Path, bad: bytes) -> None:
    """Gigatoken stops reading there without a word."""
    with files.open_binary(write_documents(tmp_path / "good.jsonl.zst", texts(40))) as file:
        lines = file.read().splitlines()
    lines[17] = bad
    shard = tmp_path / "bad.jsonl.zst"
    shard.write_bytes(zstandard.compress(b"\n".join(lines) + b"\n"))
    with pytest.raises(DataError, match=r"cannot read this shard of documents(.|\n)*bad.jsonl.zst"):
        finish("tokenize", task(tmp_path / "bad", small_prep.tokenizer, shard), ())
    assert not list(tmp_path.glob("*.bin"))


def test_lines_and_texts_give_the_same_tokens_and_characters(
    small_prep: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = write_documents(tmp_path / "hard.jsonl.zst", iter(HARD_TEXTS))
    by_lines = finish("tokenize", task(tmp_path / "lines", small_prep.tokenizer, shard), ())
    monkeypatch.setattr(Model, "reads_lines", False)
    by_texts = finish("tokenize", task(tmp_path / "texts", small_prep.tokenizer, shard), ())
    for suffix in (".bin", ".idx"):
        assert (tmp_path / f"lines{suffix}").read_bytes() == (tmp_path / f"texts{suffix}").read_bytes()
    assert by_lines.details == by_texts.details
    assert by_lines.details["characters"] == sum(map(len, HARD_TEXTS))


def test_a_fallback_is_said_once_a_dataset_with_its_reason(small_prep: Layout, tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts(300), model_writer=model, vocab_size=90, byte_fallback=False, minloglevel=2
    )
    unigram = tmp_path / "unigram.model"
    unigram.write_bytes(model.getvalue())
    prefixes = [tmp_path / name for name in ("00000", "00001")]
    for prefix in prefixes:
        make_part(tmp_path, unigram, prefix.name, 3)
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    written = write_dataset(tmp_path / "all", prefixes, DATASET, Tokens(tokenizer=unigram, add_bos=False), (), Tally())
    logger.remove(sink)
    assert len(said) == 1
    assert said[0].startswith("news.hi-Deva.real: 2 of 2 shards encoded slowly: gigatoken has no encoder")
    assert sum(written.details["fallbacks"].values()) == 2


def test_a_document_beyond_megatrons_index_is_refused_by_name(
    small_prep: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parts.LONGEST_DOCUMENT == 2**31 - 1
    monkeypatch.setattr(parts, "LONGEST_DOCUMENT", 20)
    with pytest.raises(
        DataError, match=r"document 00000\.jsonl/\d+ has \d\d tokens(.|\n)*31 bits(.|\n)*max_document_bytes"
    ):
        make_part(tmp_path, small_prep.tokenizer, "00000", 6)
    assert not list(tmp_path.glob("*.idx"))
