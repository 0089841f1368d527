import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontaminate import normalize
from data_prep.decontaminate.normalize import HASH_BYTES, WordHashes, hash_words, words
from tests.data_prep.decontaminate.disguises import DISGUISES

HINDI = "ज़मीन पर 12 बच्चे पढ़ते हैं, क्योंकि विद्यालय बंद है। क्या यह सच है?"
ENGLISH = "It's 12 past four, and the Children read. Is that true?"


@pytest.mark.parametrize("text", [HINDI, ENGLISH])
@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_text_has_the_same_words(name: str, text: str) -> None:
    assert words(DISGUISES[name](text)) == words(text)


def test_marks_are_part_of_words() -> None:
    """A normaliser that drops vowel signs or virama would call these pairs equal."""
    for one, other in (("दिन", "दीन"), ("कल", "कला"), ("में", "मे"), ("हँस", "हस"), ("पक्का", "पकका")):
        assert words(one) != words(other)
    assert words("किताबें पढ़ीं") == ["किताबें", "पढीं"]


def test_digits_of_every_script_are_ascii() -> None:
    assert words("१२३ ৪৫ ７８") == ["123", "45", "78"]


def test_symbols_and_emoji_are_no_words() -> None:
    assert words("❤️ 👨\u200d👩\u200d👧 — | * # ।") == []


texts = st.text(
    st.one_of(st.sampled_from("कखज़ािी्ंँ़।॥|,. \u200d\u200c\n0१Aa'"), st.characters(codec="utf-8")), max_size=60
)


@given(texts)
def test_hashing_piece_by_piece_is_hashing_the_words(text: str) -> None:
    """The cache holds pieces between spaces; normalisation must not look across them."""
    assert WordHashes().of(text) == hash_words(words(text))


@given(texts)
def test_normalised_text_holds_no_space_punctuation_or_joiner(text: str) -> None:
    for word in words(text):
        assert word
        assert not set(word) & set(" \n।॥|,.'\u200d\u200c\u093c")


def test_remembered_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalize, "_CACHED_WORDS", 10)
    hashes = WordHashes()
    text = " ".join(f"word{n}" for n in range(100)) + " " + "x" * 1000
    assert hashes.of(text) == hash_words(words(text))
    assert len(hashes) <= 10
    assert "x" * 1000 not in hashes


def test_hashes_are_the_same_in_every_process_and_machine() -> None:
    """Saved indexes are compared with them: Python's own hash changes from process to process."""
    assert WordHashes().of("नमस्ते").hex() == hash_words(["नमस्ते"]).hex()
    assert len(hash_words(["a", "b"])) == 2 * HASH_BYTES
    assert hash_words(["a"]).hex() == "e6c632b61e964e1f"
    assert np.frombuffer(hash_words(["a"]), dtype="<u8")[0] == 0x1F4E961EB632C6E6
