"""Which encoder counts, and that merged pieces are found."""

import io

import pytest
import sentencepiece

from data_prep.vocabulary import load
from recipes.examples.readers import ChatReader, PairReader
from recipes.examples.templates import NEMOTRON
from recipes.examples.tokens import tokenised, with_encoder
from tests.data_prep import hf_tokenizers

MESSAGES = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]}
PAIR = {"messages": MESSAGES["messages"][:1], "chosen": "Because.", "rejected": "No."}


def test_sentencepiece_is_counted_by_gigatoken(vocabulary) -> None:
    assert with_encoder(vocabulary, lambda _, name: name).startswith("gigatoken")


def test_a_model_gigatoken_cannot_read_is_counted_by_its_own_library_and_said_so(tmp_path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a few words to learn from"] * 50), model_writer=model, model_type="unigram",
        vocab_size=40, hard_vocab_limit=False, eos_id=3, pad_id=1, bos_id=2, unk_id=0, minloglevel=2,
    )  # fmt: skip
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model.getvalue())
    name = with_encoder(load(path), lambda _, name: name)
    assert name.startswith("sentencepiece")
    assert "it is not of type BPE" in name


def test_markers_of_a_hugging_face_tokenizer_are_tokens(tmp_path) -> None:
    loaded = load(hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path))
    example = ChatReader(template=NEMOTRON)(MESSAGES)
    ((found,),) = with_encoder(loaded, lambda encode, _: tokenised([example], encode))
    marker = loaded.backend.token_to_id("<extra_id_1>")
    assert (found.ids == marker).sum() == 3
    assert loaded.decode(found.ids[found.learnt]) == "Because.\n<extra_id_1>"


@pytest.mark.parametrize(("reader", "row"), [(ChatReader(template=NEMOTRON), MESSAGES),
                                             (PairReader(template=NEMOTRON, after=()), PAIR)])  # fmt: skip
def test_a_tokenizer_that_merges_prompt_and_answer_is_found(reader, row, tmp_path) -> None:
    """DPO asserts on this deep inside training; SFT warns of it and masks the wrong tokens."""
    merging = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"{letter}\nBecause" for letter in "abcdefgh"]), model_writer=merging,
        model_type="bpe", vocab_size=400, hard_vocab_limit=False, byte_fallback=True, split_by_unicode_script=False,
        normalization_rule_name="identity", add_dummy_prefix=False,
        user_defined_symbols=["<extra_id_0>", "<extra_id_1>"], minloglevel=2,
    )  # fmt: skip
    path = tmp_path / "merging.model"
    path.write_bytes(merging.getvalue())
    (found,) = with_encoder(load(path), lambda encode, _: tokenised([reader(row)], encode))
    assert found[0] is None
