"""Characters without a piece are counted as by looking at every character, for every kind of tokenizer."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.fertility.coverage import Coverage, _byte_level_alphabet
from data_prep.vocabulary import Vocabulary, load

from . import tokenizers as kinds
from .tokenizers import ENGLISH, HINDI

DANDA = "।"
TEXTS = st.text(alphabet=st.sampled_from("abehr nтनपहदीि।ñ漢🙂\n"), max_size=30)


def count(vocabulary: Vocabulary, text: str) -> int:
    return Coverage(vocabulary).count([text], vocabulary.encode([text]))


@pytest.fixture(scope="module")
def load_kind(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Vocabulary]:
    """A tokenizer of a kind, trained on English, or on English and Hindi."""
    found: dict[tuple[str, str], Vocabulary] = {}

    def get(kind: str, langs: str) -> Vocabulary:
        if (kind, langs) not in found:
            folder = tmp_path_factory.mktemp(kind)
            path = folder / "tokenizer.model" if kind.startswith("sentencepiece") else folder
            texts = ENGLISH + (HINDI if langs == "both" else [])
            found[kind, langs] = load(getattr(kinds, kind)(path, texts))
        return found[kind, langs]

    return get


@pytest.mark.parametrize("kind", ["sentencepiece", "byte_level", "byte_fallback"])
def test_a_script_without_pieces_is_spelled_in_bytes(load_kind, kind: str) -> None:
    hindi = HINDI[0].replace(" ", "")
    assert count(load_kind(kind, "english"), hindi) == len(hindi)
    assert count(load_kind(kind, "english"), ENGLISH[0]) == 0


@pytest.mark.parametrize("kind", ["sentencepiece", "byte_fallback"])
def test_a_script_with_pieces_is_not(load_kind, kind: str) -> None:
    assert count(load_kind(kind, "both"), HINDI[0]) == 0
    assert count(load_kind(kind, "both"), HINDI[0] + "漢🙂") == 2


def test_unknown_characters_of_sentencepiece(load_kind) -> None:
    vocabulary = load_kind("sentencepiece_without_bytes", "english")
    assert count(vocabulary, "The river नदी, the 漢") == 4


def test_unknown_characters_of_unigram_and_unknown_words_of_word_piece(load_kind) -> None:
    assert count(load_kind("unigram", "english"), "The river 漢字 the") == 2
    assert count(load_kind("word_piece", "english"), "The river नदी the") == 3


@settings(max_examples=150)
@given(text=TEXTS, langs=st.sampled_from(["english", "both"]))
def test_byte_level_pieces_cut_the_characters_that_looking_at_every_byte_finds(load_kind, text, langs) -> None:
    vocabulary = load_kind("byte_level", langs)
    byte_of = {character: byte for byte, character in enumerate(_byte_level_alphabet())}
    (ids,) = vocabulary.encode([text])
    pieces = [bytes(byte_of[each] for each in vocabulary.backend.id_to_token(token)) for token in ids]
    assert b"".join(pieces) == text.encode()
    piece_of = [number for number, piece in enumerate(pieces) for _ in piece]
    cut, at = 0, 0
    for character in text:
        size = len(character.encode())
        cut += len(set(piece_of[at : at + size])) > 1
        at += size
    assert count(vocabulary, text) == cut


@settings(max_examples=150)
@given(text=TEXTS, langs=st.sampled_from(["english", "both"]))
def test_byte_pieces_spell_the_characters_that_the_vocabulary_lacks(load_kind, text, langs) -> None:
    vocabulary = load_kind("sentencepiece", langs)
    lacking = [each for each in text if vocabulary.backend.piece_to_id(each) == 0 and each != " "]
    assert count(vocabulary, text) == len(lacking)
