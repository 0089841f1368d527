"""Normalising changes how a text is written, never what it says: letters and combining marks all stay."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean.characters import count
from data_prep.clean.normalize import normalize

DEVANAGARI = st.text(
    alphabet=[*map(chr, range(0x0900, 0x0980)), *" \n\t.,\u200c\u200d\u200b\u00a0\u00ad\ufeff\u202e\r\x00"], max_size=60
)


def clean(text: str, *, keep_joiners: bool = False) -> str:
    return normalize(text, count(text), keep_joiners=keep_joiners)


def letters_and_marks(text: str) -> list[str]:
    return [char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char)[0] in "LM"]


@given(DEVANAGARI)
def test_no_letter_or_combining_mark_is_lost_or_moved(text: str):
    """Compared in canonical order, which invisible characters between marks would hide."""
    visible = "".join(char for char in text if unicodedata.category(char)[0] != "C" or char in "\n\t\r\x00")
    assert letters_and_marks(clean(text)) == letters_and_marks(visible.replace("\x00", ""))


@given(DEVANAGARI)
def test_normalising_twice_changes_nothing(text: str):
    assert clean(clean(text)) == clean(text)


@given(DEVANAGARI)
def test_the_result_is_nfc(text: str):
    assert unicodedata.is_normalized("NFC", clean(text))


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("हिं\u200bदी", "हिंदी"),
        ("सह\u00adयोग", "सहयोग"),
        ("\ufeffनदी", "नदी"),
        ("\u202aनदी\u202c \u200eतट\u2066", "नदी तट"),
        ("दस\u00a0रुपये\u2009मात्र", "दस रुपये मात्र"),
        ("एक\r\nदो\rतीन\u2028चार\x85पाँच", "एक\nदो\nतीन\nचार\nपाँच"),
        ("क\x00ल\x1b[0m", "कल[0m"),
        ("क\u200dमल", "कमल"),
        ("कमल \u200c", "कमल"),
        ("रक\u094d\u200d\u200dषा", "रक\u094d\u200dषा"),
        ("एक  \n\n\n\nदो\t\n", "एक\n\nदो"),
        ("स्त्री\U000e0041", "स्त्री"),
    ],
)
def test_invisible_characters_go_and_spaces_are_plain(given_text: str, expected: str):
    assert clean(given_text) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize(
    "text",
    [
        "क्\u200dष",  # half ka before ssa
        "क्\u200cष",  # visible virama
        "श्रीमान्\u200dजी",
        "র\u200d্য",  # Bengali ra before ya-phalaa
        "അവന്\u200d",  # Malayalam chillu at the end of a word
        "👩\u200d🌾",
    ],
)
def test_joiners_stay_where_they_mean_something(text: str):
    assert clean(text) == unicodedata.normalize("NFC", text)


def test_a_language_that_writes_with_joiners_keeps_them_all():
    persian = "می\u200cخواهم"
    assert clean(persian, keep_joiners=True) == persian
    assert clean(persian) == "میخواهم"
