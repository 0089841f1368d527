"""Languages that share a script are told apart, romanised Hindi from English, by our own short texts."""

import pytest

from data_prep.clean.cleaner import find_fault
from data_prep.clean.language import identify, knows
from data_prep.clean.settings import LanguageRules
from tests.data_prep.clean.conftest import HINDI
from tests.data_prep.clean.language_texts import CORPUS_LANGUAGE, TEXTS

CASES = [(CORPUS_LANGUAGE.get(lang, lang), text) for lang, texts in TEXTS.items() for text in texts]
TARGETS = ("hi-Deva", "hi-Latn", "en-Latn")
RULES = LanguageRules(min_words=5)


@pytest.mark.parametrize(("lang", "text"), CASES)
def test_the_likeliest_language_is_right(lang: str, text: str):
    words = [word.strip(".,?।'") for word in text.lower().split()]
    target = f"hi-{lang.split('-')[1]}"
    assert identify(words, target).best == lang


@pytest.mark.parametrize(("lang", "text"), CASES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_corpus_takes_its_own_language_only(lang: str, text: str, target: str):
    fault = find_fault(text, target, RULES)
    assert (fault is None) == (lang == target), fault


def test_wrong_language_says_which_and_how_sure():
    fault = find_fault(TEXTS["mr-Deva"][0], "hi-Deva", RULES)
    assert fault
    assert fault.reason == "wrong_language"
    assert fault.detail.startswith("hi-Deva confidence (best: mr-Deva) 0.")
    assert fault.detail.endswith(" < 0.85")


def test_keywords_have_too_few_function_words():
    keywords = "मोबाइल लैपटॉप कैमरा टीवी फ्रिज कूलर पंखा बल्ब तार स्विच प्लग बैटरी चार्जर कवर सस्ता दाम ऑनलाइन खरीद " * 2
    fault = find_fault(keywords, "hi-Deva", LanguageRules(max_word_repetition=1, max_character_repetition=1))
    assert fault
    assert fault.reason == "few_function_words"
    assert "function word share 0 < 0.15" in fault.detail


def test_a_language_without_word_lists_is_judged_by_its_script():
    assert not knows("ta-Taml")
    tamil = "இன்று காலை நாங்கள் அனைவரும் ஆற்றங்கரைக்குச் சென்றோம். " * 2
    rules = LanguageRules(min_words=5, max_word_repetition=1, max_character_repetition=1)
    assert find_fault(tamil, "ta-Taml", rules) is None
    fault = find_fault(HINDI, "ta-Taml", rules)
    assert fault
    assert fault.reason == "wrong_script"
    assert "(most: Deva)" in fault.detail
