from pathlib import Path

import numpy as np
import pytest

from data_prep.decontaminate.eval_items import Item
from data_prep.decontaminate.index import Index, build_index, index_files
from data_prep.decontaminate.matcher import Matcher
from data_prep.errors import DataError


def sentence(seed: str, count: int) -> str:
    return " ".join(f"{seed}{number}" for number in range(count))


def item(number: int, *texts: str, eval_set: str = "set") -> Item:
    return Item(eval_set=eval_set, id=str(number), texts=texts, fields=("question",))


def build(*items: Item, max_items: int = 2) -> Index:
    return build_index(items, ngram=13, min_words=8, max_items=max_items)


def test_long_texts_give_every_run_and_short_ones_themselves() -> None:
    index = build(item(0, sentence("a", 15), sentence("b", 9), sentence("c", 7)))
    assert [text.words for text in index.texts] == [sentence("a", 15), sentence("b", 9)]
    assert sorted(index.words_of(ngram) for ngram in range(len(index.hashes))) == sorted(
        [" ".join(sentence("a", 15).split()[start : start + 13]) for start in range(3)] + [sentence("b", 9)]
    )
    assert index.lengths == [9, 13]
    assert index.report["sets"]["set"] == {
        "fields": ["question"], "items": 1, "too_short": 0, "boilerplate": 0, "ngrams": 4,
    }  # fmt: skip


def test_an_item_of_short_texts_is_found_by_all_of_them_joined() -> None:
    index = build(item(0, sentence("a", 5), sentence("b", 4)), item(1, "too few words"))
    assert [text.words for text in index.texts] == [f"{sentence('a', 5)} {sentence('b', 4)}"]
    assert index.report["sets"]["set"]["too_short"] == 1


def test_ngrams_of_many_texts_are_boilerplate_and_shown() -> None:
    """MMLU's "which of the following statements" flagged 1,833 clean documents (facts 7)."""
    start = sentence("boiler", 13)
    index = build(*(item(number, f"{start} {sentence(f'own{number}x', 13)}") for number in range(3)))
    assert index.report["boilerplate_ngrams"] == 1
    assert index.report["boilerplate"] == [{"words": start, "items": 3}]
    assert Matcher(index).matches(f"before {start} after") == []
    assert len(Matcher(index).matches(f"{start} own0x0")) == 1


def test_a_passage_that_many_questions_share_is_no_boilerplate() -> None:
    passage = sentence("passage", 20)
    index = build(*(item(number, passage, sentence(f"q{number}x", 8)) for number in range(20)))
    assert index.report["boilerplate_ngrams"] == 0
    assert len(Matcher(index).matches(passage)[0].items) == 20


def test_a_prompt_that_more_items_share_than_any_passage_is_boilerplate() -> None:
    prompt = sentence("prompt", 20)
    index = build(*(item(number, prompt, sentence(f"q{number}x", 8)) for number in range(21)))
    assert index.report["boilerplate_ngrams"] == 8
    assert index.report["boilerplate"][0]["items"] == 21
    assert Matcher(index).matches(prompt) == []


def test_a_short_question_that_repeats_is_boilerplate_and_its_items_are_counted() -> None:
    question = sentence("which", 8)
    index = build(*(item(number, question) for number in range(3)))
    assert index.report["sets"]["set"]["boilerplate"] == 3
    assert len(index.hashes) == 0
    assert index.report["boilerplate"] == [{"words": question, "items": 3}]


def test_sets_that_borrow_from_each_other_are_both_named() -> None:
    text = sentence("a", 13)
    index = build(item(1, text, eval_set="one"), item(2, text, eval_set="two"))
    (match,) = Matcher(index).matches(text)
    assert match.items == (("one", "1"), ("two", "2"))
    assert [index.report["sets"][name]["ngrams"] for name in ("one", "two")] == [1, 1]


def test_a_repeated_ngram_of_a_text_is_there_once() -> None:
    index = build(item(0, sentence("a", 13) + " " + sentence("a", 13)))
    assert len(index.postings) == len(index.hashes) == 13


def test_a_saved_index_is_the_same_and_its_bytes_do_not_change(tmp_path: Path) -> None:
    index = build(item(0, "ज़मीन पर बारह बच्चे पढ़ते हैं क्योंकि विद्यालय बंद है"), item(1, sentence("a", 30)))
    index.save(tmp_path / "one")
    loaded = Index.load(tmp_path / "one")
    assert (loaded.ngram, loaded.texts, loaded.report) == (index.ngram, index.texts, index.report)
    assert np.array_equal(loaded.postings, index.postings)
    loaded.save(tmp_path / "two")
    for one, two in zip(index_files(tmp_path / "one"), index_files(tmp_path / "two"), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_an_index_without_ngrams_is_saved_and_finds_nothing(tmp_path: Path) -> None:
    index = build(item(0, "short"))
    index.save(tmp_path)
    assert Matcher(Index.load(tmp_path)).matches(sentence("a", 20)) == []


@pytest.mark.parametrize("broken", range(3))
@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_damaged_index_is_named(tmp_path: Path, broken: int, content: bytes | None) -> None:
    build(item(0, sentence("a", 13))).save(tmp_path)
    path = index_files(tmp_path)[broken]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match="cannot read this index") as raised:
        Index.load(tmp_path)
    assert f"delete {tmp_path}" in raised.value.fix
