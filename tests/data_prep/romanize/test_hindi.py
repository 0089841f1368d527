import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.romanize import hindi
from data_prep.romanize.hindi import Varied, romanize

RULES = {
    "भारत": "bharat",  # final schwa
    "लड़का": "ladka",  # VC_CV
    "समझना": "samajhna",  # right to left: only one of two
    "समझा": "samjha",
    "पुस्तकालय": "pustakalay",  # after a cluster the schwa stays
    "जनसंख्या": "jansankhya",
    "जंगलों": "jangalon",  # an anusvara counts as a consonant
    "हँसने": "hansne",  # a chandrabindu does not
    "मित्र": "mitra",  # clusters that need their vowel
    "राज्य": "rajya",
    "धर्म": "dharm",  # and one that does not
    "प्रिय": "priya",
    "भारतीय": "bhartiya",
    "संबंध": "sambandh",  # m before lips
    "विज्ञान": "vigyan",
    "क्षेत्र": "kshetra",
    "दुःख": "dukh",
    "अतः": "atah",
    "ज़रूर": "zaroor",
    "पढ़ाई": "padhai",
    "क़लम": "qalam",
    "कृषि": "krishi",
    "द्वारा": "dwara",
    "श्रीमान्": "shriman",
    "रामनगर": "ramnagar",  # compounds
    "गुरप्रीत": "gurpreet",
    "धर्मनगर": "dharmnagar",
}
LOANS = {
    "कंप्यूटर": "computer",
    "कम्प्यूटर": "computer",
    "यूनिवर्सिटी": "university",
    "ऑफ़िस": "office",
    "फिल्म": "film",
    "स्टेशन": "station",
    "इंग्लैंड": "england",
    "जॉनसन": "johnson",
    "ब्लॉगर": "bloger",  # by rule: not in the list
    "कार्बोनेशन": "carbonation",
}
NOT_LOANS = {"पास": "paas", "मेरी": "meri", "बिल्ली": "billi", "पेट": "pet", "जान": "jan", "काफ़ी": "kafi", "मिल": "mil"}


@pytest.mark.parametrize(("word", "typed"), [*RULES.items(), *LOANS.items(), *NOT_LOANS.items()])
def test_words_are_spelt_as_people_type_them(word: str, typed: str) -> None:
    assert romanize(word) == typed


def test_the_sentences_of_the_brief() -> None:
    assert romanize("भारत एक विशाल देश है") == "bharat ek vishal desh hai"
    assert romanize("मुझे बाज़ार जाकर सब्ज़ी खरीदनी है।") == "mujhe bazar jakar sabzi kharidni hai."


def test_composed_and_decomposed_nukta_are_the_same_letter() -> None:
    composed = "\u095b\u0930\u0942\u0930"
    assert unicodedata.normalize("NFC", composed) != composed
    assert romanize(composed) == romanize(unicodedata.normalize("NFC", composed)) == "zaroor"


def test_everything_else_stays() -> None:
    rest = "# Title\n\n- e\u0301 3.5 kg [link](https://example.org/?q=1) `code` | a | \t👩\u200d👩\u200d👧  end\r\n"
    assert romanize(rest) == rest
    assert romanize(f"घर {rest}") == f"ghar {rest}"


def test_structure_stays_around_hindi() -> None:
    text = "१. घर\n\n- [ ] **भारत**: 3.5 किलो (राम)\n| नदी | river |\r\n\tदेश"
    assert romanize(text) == "1. ghar\n\n- [ ] **bharat**: 3.5 kilo (ram)\n| nadi | river |\r\n\tdesh"


def test_dandas_digits_and_joiners() -> None:
    assert romanize("१२३ क्\u200dया॥ डॉ॰") == "123 kya. doctor."


@given(st.text(st.characters(min_codepoint=0x900, max_codepoint=0x97F) | st.sampled_from(" \n\u200c\u200da")))
def test_no_devanagari_is_left_whatever_comes(text: str) -> None:
    assert not any("\u0900" <= char <= "\u097f" for char in romanize(text) if unicodedata.name(char, ""))


@given(st.text())
def test_text_without_devanagari_is_never_touched(text: str) -> None:
    if not any("\u0900" <= char <= "\u097f" for char in text):
        assert romanize(text) == text


def test_a_full_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is emptied when full, so memory is bounded on any corpus."""
    monkeypatch.setattr(hindi, "_CACHED", 3)
    pieces = hindi._Pieces(hindi.romanize_word)
    text = "भारत एक विशाल देश है और भारत एक देश"
    assert pieces.romanize(text) == romanize(text)
    assert len(pieces) <= 3


TEXT = "नहीं, मैं ज़्यादा बात नहीं करता हूँ। क्या तुम यहाँ हो? ज़मीन और बाज़ार की बात। " * 3


def varied(document: str = "a", share: float = 0.5, seed: int = 0) -> str:
    return Varied(document=document, share=share, seed=seed).romanize(TEXT)


def test_variants_depend_on_seed_and_document_alone() -> None:
    assert varied() == varied()
    assert len({varied(), varied(document="b"), varied(seed=1), romanize(TEXT)}) == 4


def test_a_writer_keeps_a_spelling() -> None:
    """One document is one writer: the same word is typed the same throughout."""
    whole = varied()
    assert whole == whole[: len(whole) // 3] * 3


def test_the_share_bounds_the_variants() -> None:
    assert varied(share=1e-9) == romanize(TEXT)
    words = romanize(TEXT).split()
    changed = sum(a != b for a, b in zip(words, varied(share=1.0).split(), strict=True))
    assert changed > len(words) / 2


def test_variants_are_spellings_people_use() -> None:
    assert hindi.other_spellings("नहीं") == ("nahin", "nahee")
    assert "jarurat" in hindi.other_spellings("ज़रुरत")
    assert hindi.other_spellings("कंप्यूटर") == ()
