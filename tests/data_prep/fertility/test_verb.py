"""`langadapt fertility` on a real preparation and on files: the JSON, the table, and what it refuses."""

import json
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from data_prep.errors import DataError, UsageError
from data_prep.fertility import verb
from data_prep.files import read_shards, sha256_file, shard_writer
from data_prep.layout import Layout
from tests.data_prep.conftest import write_jsonl

from .tokenizers import ENGLISH, HINDI, byte_level


def run(folder: Path, *words: str, dry_run: bool = False) -> dict:
    output = folder / "fertility.json"
    settings = [f"output={output}", "words=1000000", "tokens_per_second=1000", *words]
    assert verb.main([], settings, dry_run=dry_run) == 0
    return json.loads(output.read_bytes()) if output.exists() else {}


def test_every_language_and_kind_of_the_held_out_documents_is_measured(small_prep: Layout, tmp_path, capsys) -> None:
    found = run(tmp_path, f"documents={small_prep.root}/documents", f"tokenizers.base={small_prep.tokenizer}")
    processor = SentencePieceProcessor(model_file=str(small_prep.tokenizer))
    assert [(row["lang"], row["kind"]) for row in found["rows"]] == [
        ("en-Latn", "real"),
        ("hi-Deva", "real"),
        ("hi-Latn", "romanized"),
    ]
    for row in found["rows"]:
        folder = small_prep.root / "documents" / f"small.{row['lang']}.{row['kind']}" / "heldout"
        texts = [document.text for document in read_shards(sorted(folder.glob("*.zst")))]
        tokens = sum(len(processor.encode(text)) for text in texts)
        words = sum(len(text.split()) for text in texts)
        assert (row["documents"], row["words"], row["tokens"]) == (len(texts), words, tokens)
        assert row["tokens_per_word"] == round(tokens / words, 4)
        assert row["words_in_context"] == int(4096 * words / tokens)
    assert found["tokenizers"]["base"]["sha256"] == sha256_file(small_prep.tokenizer)
    assert {each["lang"] for each in found["verdicts"]} == {"hi-Deva", "hi-Latn"}
    assert "our choice" in found["rule"]["why"]
    shown = capsys.readouterr().out
    assert "1,000,000 words of each language, 1,000 tokens a second, context of 4,096 tokens" in shown
    assert "base, hi-Deva: " in shown


def test_tokenizers_of_both_kinds_are_compared_on_files_of_text(small_prep: Layout, tmp_path, capsys) -> None:
    hindi = write_jsonl(tmp_path / "hi.jsonl", [{"text": HINDI[0]}, {"text": f"{HINDI[0]} {HINDI[0]}"}])
    english = write_jsonl(tmp_path / "en.jsonl", [{"text": text} for text in ENGLISH])
    byte_level(tmp_path / "english", ENGLISH)
    found = run(
        tmp_path,
        f"tokenizers.base={small_prep.tokenizer}",
        f"tokenizers.english={tmp_path / 'english'}",
        f"texts=[{{path: {hindi}, lang: hi-Deva}}, {{path: {english}, lang: en-Latn}}]",
    )
    rows = {(row["tokenizer"], row["lang"]): row for row in found["rows"]}
    assert list(rows) == [(name, lang) for name in ("base", "english") for lang in ("en-Latn", "hi-Deva")]
    assert rows["base", "hi-Deva"]["words"] == rows["english", "hi-Deva"]["words"] == 15
    assert rows["base", "hi-Deva"]["fallback"] == 0
    assert rows["english", "hi-Deva"]["fallback"] > 0.7
    assert rows["english", "hi-Deva"]["times_baseline"] > 3
    verdicts = {each["tokenizer"]: each["extend"] for each in found["verdicts"]}
    assert verdicts["english"]
    assert "english, hi-Deva: GO, extend the vocabulary: " in capsys.readouterr().out


def test_the_beginning_of_each_file_is_read(small_prep: Layout, tmp_path) -> None:
    hindi = write_jsonl(tmp_path / "hi.jsonl", [{"text": HINDI[0]}] * 10)
    texts = f"texts=[{{path: {hindi}, lang: hi-Deva}}]"
    found = run(tmp_path, f"tokenizers.base={small_prep.tokenizer}", texts, f"max_characters={len(HINDI[0]) + 1}")
    (row,) = found["rows"]
    assert (row["documents"], row["times_baseline"]) == (2, None)


def test_a_dry_run_looks_at_everything_and_writes_nothing(small_prep: Layout, tmp_path, capsys) -> None:
    words = (f"tokenizers.base={small_prep.tokenizer}", f"documents={small_prep.root}/documents")
    assert run(tmp_path, *words, dry_run=True) == {}
    assert capsys.readouterr().out == "1 tokenizers, 3 datasets, 0 files\n"


def test_what_cannot_be_read_is_refused_before_any_work(small_prep: Layout, tmp_path) -> None:
    base = f"tokenizers.base={small_prep.tokenizer}"
    with pytest.raises(UsageError, match="no held-out documents in this folder"):
        run(tmp_path, base, f"documents={tmp_path}")
    with shard_writer(tmp_path / "small.hi-Deva.real" / "heldout" / "00000.jsonl.zst"):
        pass
    with pytest.raises(UsageError, match="no held-out documents in this folder"):
        run(tmp_path, base, f"documents={tmp_path}")
    with pytest.raises(UsageError, match="this tokenizer does not exist"):
        run(tmp_path, "tokenizers.base=nowhere", f"documents={small_prep.root}/documents")
    empty = write_jsonl(tmp_path / "hi.jsonl", [{"text": " \n"}])
    with pytest.raises(DataError, match='no words under "text"'):
        run(tmp_path, base, f"texts=[{{path: {empty}, lang: hi-Deva}}]")
