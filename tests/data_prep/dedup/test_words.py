"""The words of a text: what makes no difference to a reader makes none here, and every vowel sign does."""

import unicodedata

import numpy as np
import pytest

from data_prep.dedup import words
from data_prep.dedup.words import content_key, word_hashes, words_of

STORY = "“रामू ने क़लम उठाई।” उसने 25 चिट्ठियाँ लिखीं — Dear Friend, caf\u00e9, क्‍या हुआ?"


@pytest.mark.parametrize(
    "disguised",
    [
        STORY.replace(" ", "\n\n  "),
        STORY.replace(" ", "\u00a0"),
        STORY.replace("।", "."),
        STORY.replace("।", " |"),
        STORY.replace("“", '"').replace("”", '"').replace("—", "-"),
        STORY.replace("Dear Friend", "DEAR FRIEND"),
        STORY.replace("25", "२५"),
        STORY.replace("\u200d", ""),
        STORY.replace("रामू", "रा\u200cमू\ufeff"),
        unicodedata.normalize("NFD", STORY),
        STORY.replace("क़", "\u0958"),
        f"  {STORY}  ",
    ],
)
def test_the_same_words_written_differently_have_the_same_key(disguised):
    assert disguised != STORY
    assert content_key(word_hashes(disguised)) == content_key(word_hashes(STORY))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("की", "के"),
        ("कल", "काल"),
        ("दिन", "दीन"),
        ("हंस", "हँस"),
        ("सज़ा", "सजा"),
        ("क्या", "कया"),
        ("बाढ़", "बाढ"),
        ("न", "ना"),
    ],
)
def test_hindi_words_that_differ_in_marks_only_differ(one, other):
    assert words_of(one) == [one]
    assert content_key(word_hashes(one)) != content_key(word_hashes(other))


def test_order_and_number_of_words_matter():
    assert content_key(word_hashes("नदी पानी")) != content_key(word_hashes("पानी नदी"))
    assert content_key(word_hashes("नदी नदी")) != content_key(word_hashes("नदी"))


def test_words_are_cut_at_punctuation_whether_spaces_follow_or_not():
    assert words_of("गया।वह आया") == ["गया", "वह", "आया"]
    assert np.array_equal(word_hashes("गया।वह आया"), word_hashes("गया। वह आया"))


def test_a_text_without_words_is_one_word():
    assert len(word_hashes("!!! 😀")) == 1
    assert word_hashes("!!!  😀") == word_hashes("!!! 😀\n")
    assert word_hashes("😀") != word_hashes("😐")


def test_forgetting_spellings_changes_no_hash(monkeypatch):
    """The memory for spellings is bounded, whatever the corpus."""
    before = word_hashes(STORY)
    monkeypatch.setattr(words, "MOST_REMEMBERED", 2)
    words._remembered.clear()
    assert np.array_equal(word_hashes(STORY), before)
    assert len(words._remembered) <= 2
