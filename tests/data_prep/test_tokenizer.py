import io
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError, UsageError
from data_prep.tokenizer import EXTRA_IDS, require_chat_tokens, train
from data_prep.vocabulary import load

from .conftest import ENGLISH, HINDI

TEXTS = [f"{text} {number}" for number in range(40) for text in ENGLISH + HINDI]
MODEL = train(TEXTS, 500)
PROCESSOR = sentencepiece.SentencePieceProcessor(model_proto=MODEL)


def test_special_tokens_have_nemotrons_ids() -> None:
    pieces = [PROCESSOR.id_to_piece(number) for number in range(12)]
    assert pieces == ["<unk>", "<pad>", "<s>", "</s>", *EXTRA_IDS]
    assert (PROCESSOR.eos_id(), PROCESSOR.pad_id(), PROCESSOR.bos_id()) == (3, 1, 2)
    assert PROCESSOR.encode("<extra_id_1>") == [5]


def test_text_cannot_forge_an_end_of_document() -> None:
    assert not {0, 1, 2, 3} & set(PROCESSOR.encode("<unk><pad><s></s>"))


@settings(max_examples=300)
@given(st.text() | st.text("क्‍षा़ं\n\t \u00a0ab1<>_👩\u200d\x00"))
def test_decoding_gives_the_text_back_exactly(text: str) -> None:
    text = text.replace("\u2581", "")
    assert PROCESSOR.decode(PROCESSOR.encode(text)) == text


def test_newlines_and_digits_never_merge() -> None:
    pieces = PROCESSOR.encode("Assistant\n\nThe 2024", out_type=str)
    assert pieces.count("\n") == 2
    assert pieces[-4:] == ["2", "0", "2", "4"]


def test_equal_text_gives_an_equal_model() -> None:
    assert train(TEXTS, 500) == MODEL


def test_long_documents_are_learnt_from_too() -> None:
    """SentencePiece skips sentences over 4,192 bytes unless told otherwise."""
    long = sentencepiece.SentencePieceProcessor(model_proto=train(["zebra " * 5_000], 400))
    assert len(long.encode(" zebra")) == 1


def test_a_small_corpus_gives_fewer_entries_than_asked_for() -> None:
    assert sentencepiece.SentencePieceProcessor(model_proto=train(["ab ab"], 4096)).get_piece_size() < 300


@pytest.mark.parametrize("texts", [[], ["".join(map(chr, range(0x900, 0x970))) * 9]], ids=["none", "too varied"])
def test_text_that_cannot_train_a_tokenizer_is_named(texts: list[str]) -> None:
    with pytest.raises(DataError, match=r"cannot train(.|\n)*vocab_size=300(.|\n)*vocab_size=600"):
        train(texts, 300)


def test_a_model_without_turn_markers_cannot_serve_chats(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=70, minloglevel=2
    )
    (tmp_path / "bare.model").write_bytes(model.getvalue())
    with pytest.raises(UsageError, match=r"cuts <extra_id_0>, <extra_id_1> into pieces(.|\n)*instruct\.chat"):
        require_chat_tokens(load(tmp_path / "bare.model"))
    (tmp_path / "own.model").write_bytes(MODEL)
    require_chat_tokens(load(tmp_path / "own.model"))
