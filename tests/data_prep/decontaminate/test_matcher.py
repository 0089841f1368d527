import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.decontaminate.eval_items import Item
from data_prep.decontaminate.index import build_index
from data_prep.decontaminate.matcher import Match, Matcher
from data_prep.decontaminate.normalize import words
from tests.data_prep.decontaminate.disguises import DISGUISES

HINDI = "गर्मियों में मिट्टी के घड़े का पानी, धातु के बर्तन में रखे 12 पानी से ज़्यादा ठंडा क्यों हो जाता है? सोचिए।"
SHORT = "ज़मीन पर 12 बच्चे पढ़ते हैं, क्योंकि विद्यालय बंद है।"
ENGLISH = "The Ferry didn't leave at 12 this morning, because the harbour master had closed the port till noon."
FILLER = "यह वाक्य किसी परीक्षा का नहीं है और इसमें नदी, पहाड़ तथा खेत की बात है। "


def matcher(*texts: str, **changes: int) -> Matcher:
    items = [Item(eval_set="set", id=str(number), texts=(text,)) for number, text in enumerate(texts)]
    return Matcher(build_index(items, **{"ngram": 13, "min_words": 8, "max_items": 10, **changes}))


@pytest.mark.parametrize("name", DISGUISES)
@pytest.mark.parametrize("text", [HINDI, SHORT, ENGLISH], ids=["long", "whole", "english"])
def test_every_disguise_is_found_where_it_stands(name: str, text: str) -> None:
    matches = matcher(text).matches(FILLER * 3 + DISGUISES[name](text) + " " + FILLER)
    count = len(words(text))
    assert [match.start - 3 * len(words(FILLER)) for match in matches] == list(range(max(1, count - 13 + 1)))
    assert matches[0].items == (("set", "0"),)
    assert matches[0].words == " ".join(words(text)[:13])


def test_twelve_words_of_thirteen_are_no_match() -> None:
    found = matcher(HINDI)
    twelve = " ".join(HINDI.split()[:12])
    assert found.matches(f"{twelve} और कुछ") == []
    assert found.matches(f"{twelve} {HINDI.split()[12]}") != []


def test_one_changed_vowel_sign_in_a_short_item_is_no_match() -> None:
    assert matcher(SHORT).matches(SHORT.replace("बंद", "बंदी")) == []


def test_a_run_over_the_border_of_two_texts_is_no_match() -> None:
    middle = len(HINDI.split()) // 2
    halves = [" ".join(HINDI.split()[:middle]), " ".join(HINDI.split()[middle:])]
    assert matcher(HINDI).find(halves).text.tolist() == []


def test_many_texts_at_once_give_what_each_gives() -> None:
    found = matcher(HINDI, SHORT, ENGLISH)
    texts = ["", FILLER, FILLER + HINDI + SHORT, "।", SHORT, FILLER, ENGLISH + HINDI, "x"]
    hits = found.find(texts)
    for number, text in enumerate(texts):
        chosen = hits.text == number
        expected = [(match.start, match.ngram) for match in found.matches(text)]
        assert list(zip(hits.start[chosen].tolist(), hits.ngram[chosen].tolist(), strict=True)) == expected
    assert found.find([]).text.tolist() == []


def test_an_empty_index_finds_nothing() -> None:
    assert matcher().matches(HINDI) == []


@settings(max_examples=60)
@given(st.data())
def test_matches_are_those_of_the_definition(data: st.DataObject) -> None:
    """Against a loop over all runs of words, with texts of so few words that they often share runs."""
    some = st.lists(st.sampled_from(["अ", "आ", "इ"]), max_size=12).map(" ".join)
    texts = data.draw(st.lists(some.filter(lambda text: len(text.split()) >= 2), max_size=4, unique=True))
    text = data.draw(some)
    found = matcher(*texts, ngram=4, min_words=2, max_items=1000)
    wanted: set[tuple[int, str]] = set()
    for each in texts:
        size = min(4, len(each.split()))
        runs = {tuple(each.split()[at : at + size]) for at in range(len(each.split()) - size + 1)}
        spoken = text.split()
        wanted |= {
            (at, " ".join(spoken[at : at + size]))
            for at in range(len(spoken) - size + 1)
            if tuple(spoken[at : at + size]) in runs
        }
    assert {(match.start, match.words) for match in found.matches(text)} == wanted


def test_words_of_one_hash_slot_are_told_apart() -> None:
    """The look-up table only sorts out most words: what it lets through is looked up in full."""
    found = matcher(HINDI)
    found._table[:] = True
    assert found.matches(FILLER * 50) == []
    assert isinstance(found.matches(HINDI)[0], Match)
    assert found.index.hashes.dtype == np.uint64
