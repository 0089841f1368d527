"""The bytes of a document's tokens add up to the bytes of its text, whatever kind of tokenizer made them."""

import numpy as np
import pytest

from data_prep import vocabulary
from data_prep.token_bytes import NO_TEXT, count, table
from tests.data_prep import hf_tokenizers
from tests.data_prep.fertility import tokenizers

TEXTS = ["The river rises in the hills. It runs to the sea.", "नदी पहाड़ों से निकलती है।", "naïve: 東京 \n\n ok", "a"]


def sentencepiece_with_a_space_before(path):
    from sentencepiece import SentencePieceTrainer

    path.with_suffix(".txt").write_text("\n".join(tokenizers.ENGLISH * 20), encoding="utf-8")
    options = {"model_type": "bpe", "vocab_size": 330, "byte_fallback": True, "eos_id": 2, "hard_vocab_limit": False}
    SentencePieceTrainer.train(
        input=str(path.with_suffix(".txt")),
        model_prefix=str(path.with_suffix("")),
        minloglevel=2,
        **options,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
    )
    return path


MAKE = {
    "SentencePiece": lambda folder: tokenizers.sentencepiece(folder / "tokenizer.model", tokenizers.ENGLISH),
    "SentencePiece with a space before": lambda folder: sentencepiece_with_a_space_before(folder / "tokenizer.model"),
    "byte-level": lambda folder: hf_tokenizers.save(hf_tokenizers.byte_level(), folder / "hf"),
    "pieces and bytes": lambda folder: hf_tokenizers.save(hf_tokenizers.metaspace(), folder / "hf"),
    "bytes as special tokens": lambda folder: tokenizers.byte_fallback(folder / "hf", tokenizers.ENGLISH),
}


@pytest.mark.parametrize("kind", MAKE)
def test_bytes_of_tokens_add_up_to_the_text(kind, tmp_path) -> None:
    loaded = vocabulary.load(MAKE[kind](tmp_path))
    documents = loaded.encode(TEXTS)
    stream = np.array([loaded.eod_id] + [number for ids in documents for number in (*ids, loaded.eod_id)])
    counted = count(stream[1:], stream[:-1], loaded)
    ends = np.flatnonzero(stream[1:] == loaded.eod_id)
    assert (counted[ends] == NO_TEXT).all()
    assert [int(part[part > 0].sum()) for part in np.split(counted, ends)[:-1]] == [len(t.encode()) for t in TEXTS]


def test_control_tokens_stand_for_no_text(tmp_path) -> None:
    loaded = vocabulary.load(MAKE["SentencePiece"](tmp_path))
    control = [number for number in range(loaded.size) if loaded.backend.is_control(number)]
    assert (table(loaded)[[*control, loaded.backend.unk_id()]] == NO_TEXT).all()
