"""Segments reach each family of models in the form it was trained on."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from data_prep.translate.engines.codec import Codec
from data_prep.translate.engines.families import close_up, handover, space_out
from data_prep.translate.languages import flores_code, language_name


def test_indictrans2_gets_tags_and_spaced_punctuation_and_gives_closed_up_text() -> None:
    around = handover("indictrans2", SimpleNamespace(), "en-Latn", "hi-Deva")
    assert around.before("Hello, world (all of it)!") == "eng_Latn hin_Deva Hello , world ( all of it ) !"
    assert around.after("नमस्ते , दुनिया ( सब ) ! यह ठीक है ।") == "नमस्ते, दुनिया (सब)! यह ठीक है।"


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("See <ID1>, then <ID2>.", "See <ID1> , then <ID2> ."),
        ("It costs 3.50 or 1,300.", "It costs 3.50 or 1,300 ."),
        ("e.g. Mr. A's", "e.g . Mr . A's"),
    ],
)
def test_placeholders_and_numbers_stay_whole(text: str, spaced: str) -> None:
    assert space_out(text) == spaced


def test_close_up_keeps_vowel_signs_and_placeholders() -> None:
    assert close_up("<ID1> की दुकान ?") == "<ID1> की दुकान?"


def test_nllb_sets_the_source_and_forces_the_target_language() -> None:
    tokenizer = SimpleNamespace(src_lang=None)
    assert handover("nllb", tokenizer, "en-Latn", "hi-Deva").first_token == "hin_Deva"
    assert tokenizer.src_lang == "eng_Latn"


def test_madlad_names_the_target_in_the_text() -> None:
    assert handover("madlad", SimpleNamespace(), "en-Latn", "hi-Deva").before("Hi") == "<2hi> Hi"


def test_codes_and_names() -> None:
    assert [flores_code(lang) for lang in ("hi-Deva", "brx-Deva")] == ["hin_Deva", "brx_Deva"]
    assert language_name("hi-Deva") == "Hindi (Deva script)"
    assert language_name("brx-Deva") == "brx (Deva script)"


def test_indictrans2_decodes_with_the_target_vocabulary() -> None:
    """Its own tokenizer code is not run here: only that it is told the side, in the way transformers defines."""

    class TwoVocabularies:
        eos_token_id = 2
        side = "source"

        @contextlib.contextmanager
        def as_target_tokenizer(self) -> Iterator[None]:
            self.side = "target"
            yield
            self.side = "source"

        def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
            return f"{self.side} {ids}"

    tokenizer = TwoVocabularies()
    around = handover("indictrans2", tokenizer, "en-Latn", "hi-Deva")
    assert Codec(tokenizer=tokenizer, handover=around, max_tokens=9).decode([2, 7, 2]) == "target [2, 7, 2]"
