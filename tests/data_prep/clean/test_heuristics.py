"""Each measure rejects what it is for, with its value and limit, and lets prose pass."""

import random

import pytest

from data_prep.clean.cleaner import find_fault
from data_prep.clean.heuristics import character_repetition, word_repetition
from data_prep.clean.settings import LanguageRules
from tests.data_prep.clean.conftest import ENGLISH, HINDI

ROW = "नदी का पानी आज बहुत साफ़ है और हम तट पर बैठे हैं"
GIBBERISH = " ".join("".join(random.Random(word).choices("कखगघचछजटठडतथदनपफबमयरलवसहिीुूे", k=6)) for word in range(60))


@pytest.mark.parametrize(("text", "lang"), [(HINDI, "hi-Deva"), (ENGLISH, "en-Latn")])
def test_prose_passes(text: str, lang: str):
    assert find_fault(text, lang, LanguageRules()) is None


@pytest.mark.parametrize(
    ("text", "detail", "reason"),
    [
        ("नदी का तट", "words 3 < 25", "too_short"),
        (ENGLISH, "Deva letters (most: Latn) 0 < 0.7", "wrong_script"),
        (HINDI + "Наша река широкая и тихая, мы сидим ", "foreign letter share 0.", "foreign_script"),
        (HINDI + "|" * 90, "symbol share 0.", "symbols"),
        (HINDI + " 12345678901234567890" * 8, "digit share 0.", "digits"),
        (" ".join(["क", "ख", "ग", "घ", "ङ"] * 8), "mean word length 1 < 2.5", "word_length"),
        ("अंतरराष्ट्रीयकरण " * 30, "mean word length 16 > 12", "word_length"),
        ("\n".join(HINDI.split()), "mean words a line 1 < 3", "short_lines"),
        ("\n".join(f"- {line}" for line in [ROW, *HINDI.splitlines()] if line), "bullet line share 1 > 0.9", "bullets"),
        ("\n".join(f"{line}…" for line in HINDI.split("\n\n")), "ellipsis line share 1 > 0.5", "ellipses"),
        (f"{ROW} " * 8, "5-gram word repetition 1 > 0.5", "word_repetition"),
        (HINDI + "हा" * 120, "10-gram character repetition 0.", "character_repetition"),
        (GIBBERISH, "share 0 < 0.15", "few_function_words"),
    ],
)
def test_what_is_no_prose_is_rejected_with_value_and_limit(text: str, detail: str, reason: str):
    fault = find_fault(text, "hi-Deva", LanguageRules())
    assert fault
    assert (fault.reason, detail in fault.detail) == (reason, True), fault


def test_word_repetition_is_the_share_of_5_grams_seen_twice():
    assert word_repetition(["a", "b", "c", "d", "e", "f", "g", "h"]) == 0
    assert word_repetition(["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"]) == pytest.approx(2 / 6)
    assert word_repetition(["a"]) == 0


def test_character_repetition_counts_the_most_frequent_10_grams():
    assert character_repetition("abcdefghijklmnop") == 0
    assert character_repetition("क" * 30) == 1
    assert character_repetition("0123456789" * 2) == pytest.approx(2 / 11)
