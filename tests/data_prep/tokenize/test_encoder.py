"""The fast encoder is exact, notices when it is not, and steps back with a reason."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import vocabulary
from data_prep.tokenize import encoder, gigatoken_model
from data_prep.tokenize.encoder import Proved, Reference
from data_prep.tokenize.gigatoken_model import Model
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.tokenize.hard_texts import HARD_TEXTS
from data_prep.tokenizer import train
from data_prep.vocabulary import Vocabulary
from tests.data_prep import hf_tokenizers as hf
from tests.data_prep.conftest import ENGLISH, HINDI

TEXTS = [f"{text} {number}" for number in range(40) for text in ENGLISH + HINDI]
HARD_LETTERS = "क्‍षा़ंऱज़\n\t \u00a0ab1<>/_sﬁ👩\u200d\x00\x85\u2581"
EXACT = {
    "ours": {},
    "as Llama 2": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True},
    "SentencePiece's defaults": {},
    "normalised, own symbols": {"user_defined_symbols": ["\n", "ﬁ", "<extra_id_0>"]},
    "dummy prefix, own symbols": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["\n", "<extra_id_0>"],
    },
    "pieces across spaces": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "split_by_whitespace": False,
    },
}
REFUSED = {
    "unigram": ({"model_type": "unigram"}, "it is not of type BPE"),
    "no bytes": ({"byte_fallback": False}, "it has no byte fallback"),
    "suffix": ({"treat_whitespace_as_suffix": True}, "it writes spaces in another way"),
    "symbol with a space": ({"user_defined_symbols": ["a b"]}, "a user-defined symbol contains a space"),
}


def trained(folder: Path, **options: Any) -> Vocabulary:
    model = io.BytesIO()
    defaults = {"model_type": "bpe", "byte_fallback": True, "vocab_size": 400, "hard_vocab_limit": False}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, minloglevel=2, character_coverage=1.0, **defaults | options
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return vocabulary.load(folder / "tokenizer.model")


HUGGING_FACE = {"as Llama 3": hf.byte_level, "as Qwen": hf.qwen, "as Llama 2's tokenizer.json": hf.metaspace}


@pytest.fixture(scope="module", params=[*EXACT, *HUGGING_FACE])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    folder = tmp_path_factory.mktemp("model")
    if request.param in HUGGING_FACE:
        return vocabulary.load(hf.save(HUGGING_FACE[request.param](), folder))
    if request.param != "ours":
        return trained(folder, **EXACT[request.param])
    (folder / "tokenizer.model").write_bytes(train(TEXTS, 600))
    return vocabulary.load(folder / "tokenizer.model")


@settings(max_examples=300)
@given(
    st.text() | st.text(HARD_LETTERS) | st.lists(st.sampled_from([*HARD_TEXTS, "नदी", " "]), max_size=5).map("".join)
)
def test_gigatoken_encodes_as_the_tokenizers_own_library_does(loaded: Vocabulary, text: str) -> None:
    proved = Proved(loaded)
    assert proved.library.startswith("gigatoken")
    assert [ids.tolist() for ids in proved.encode([text])] == loaded.encode([text])


def test_spelled_out_control_tokens_are_plain_text(loaded: Vocabulary) -> None:
    (ids,) = Proved(loaded).encode([f"<s>a</s><unk>{hf.EOD}{hf.BOS}"])
    assert not {loaded.eod_id, loaded.bos_id} & set(ids.tolist())


@pytest.mark.parametrize("kind", REFUSED)
def test_models_it_has_no_encoder_for_are_named(tmp_path: Path, kind: str) -> None:
    options, reason = REFUSED[kind]
    with pytest.raises(Refused, match=f"no encoder for this SentencePiece model: {reason}"):
        Proved(trained(tmp_path, **options))


@pytest.mark.parametrize("make", [hf.unigram, lambda: hf.byte_level(r"\S+|\s+")], ids=["unigram", "own pattern"])
def test_hugging_face_tokenizers_it_cannot_read_are_named(tmp_path: Path, make: Callable[[], Any]) -> None:
    with pytest.raises(Refused, match=r"gigatoken 0\.10\.0 cannot read this tokenizer: .+"):
        Proved(vocabulary.load(hf.save(make(), tmp_path)))


def test_tokens_that_only_normalised_text_has_are_left_to_the_reference(tmp_path: Path) -> None:
    """Gigatoken 0.10.0 misses such a token where the text is not yet normalised."""
    with pytest.raises(Refused, match="looks for the added token 'ड़' before it normalises, the tokenizer after it"):
        Proved(vocabulary.load(hf.save(hf.normalised_token(), tmp_path)))


def test_the_reference_takes_its_place(tmp_path: Path) -> None:
    unigram = trained(tmp_path, model_type="unigram")
    slow = Reference(unigram, "because")
    assert [ids.tolist() for ids in slow.encode(TEXTS[:3])] == unigram.encode(TEXTS[:3])
    assert (slow.library, slow.fallback) == (f"sentencepiece {sentencepiece.__version__}", "because")


def spoil(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Gigatoken gets a text with this word wrong."""
    right = Model.encode

    def wrong(self: Any, texts: Any) -> Any:
        return [np.append(ids, 0) if word in text else ids for text, ids in zip(texts, right(self, texts), strict=True)]

    monkeypatch.setattr(Model, "encode", wrong)
    encoder._model.cache_clear()


@pytest.fixture
def ours(tmp_path: Path) -> Vocabulary:
    (tmp_path / "tokenizer.model").write_bytes(train(TEXTS, 600))
    return vocabulary.load(tmp_path / "tokenizer.model")


def test_a_difference_on_a_hard_text_is_found_before_anything_is_encoded(
    ours: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "\u200c")
    with pytest.raises(Refused, match=r"encodes .+ differently from sentencepiece"):
        Proved(ours)


def test_a_difference_in_the_documents_is_found_at_the_start_and_in_later_batches(
    ours: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "zebra")
    with pytest.raises(Refused, match="zebra"):
        Proved(ours).encode([*["plain"] * 31, "a zebra"])
    later = Proved(ours)
    later.encode(["plain"] * 100)
    assert later.checked == len(HARD_TEXTS) + 32
    with pytest.raises(Refused, match="zebra"):
        later.encode(["zebra"] * 2)


def test_gigatoken_is_loaded_anew_before_it_remembers_too_much(
    ours: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gigatoken_model, "_REMEMBERED", 10)
    encoder._model.cache_clear()
    proved = Proved(ours)
    first = proved._model._tokenizer
    assert [ids.tolist() for ids in proved.encode(["a few words", "more"])] == ours.encode(["a few words", "more"])
    assert proved._model._tokenizer is not first
    encoder._model.cache_clear()
