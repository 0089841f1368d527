from data_prep.vocabulary_extension import merge, words
from data_prep.vocabulary_extension.learn import LONGEST_PIECE, apply, learn
from tests.data_prep.vocabulary_extension.conftest import count_words, learn_from


def test_the_most_frequent_neighbours_join_first() -> None:
    cuts = {("a", "b", "c"): 3, ("b", "c"): 2, ("a", "d"): 2}
    assert learn(cuts, set("abcd"), 9) == ["bc", "abc", "ad"]  # 5 times, then 3, then 2


def test_missing_characters_come_before_merges() -> None:
    assert learn({("a", "é"): 3, ("ö", "a"): 2, ("a", "a"): 9}, "a", 3) == ["é", "ö", "aa"]


def test_what_occurs_once_is_not_learnt() -> None:
    assert learn({("a", "b"): 1, ("é",): 1}, {"a", "b"}, 9) == []


def test_a_text_joined_from_two_different_pairs_is_counted_once() -> None:
    """SentencePiece joins both: 4 of "abc" outweigh 3 of "xy"."""
    assert learn({("ab", "c"): 2, ("a", "bc"): 2, ("x", "y"): 3}, ("a", "ab", "bc", "c", "x", "y"), 1) == ["abc"]


def test_no_piece_is_longer_than_sentencepiece_allows() -> None:
    longest = "a" * (LONGEST_PIECE - 1)
    assert learn({(longest, "b"): 2}, {longest, "b"}, 9) == [longest + "b"]
    assert learn({(longest, "bb"): 2}, {longest, "bb"}, 9) == []


def test_the_best_ranked_neighbours_join_first_and_the_leftmost_of_equals() -> None:
    word = ["a", "a", "a", "b"]
    apply(word, {"ab": 0, "aa": 1})
    assert word == ["aa", "ab"]


def test_learning_is_deterministic(extended) -> None:
    base = extended.extension.base
    again = learn_from(base, extended.learnt_from[::-1], extended.asked)
    assert again == extended.learnt


def test_sentencepiece_cuts_words_as_the_learner_left_them(extended) -> None:
    base, after = merge.bare(extended.extension.base), merge.bare(extended.extension.model)
    rank = {piece: index for index, piece in enumerate(extended.learnt)}
    counts = count_words(extended.learnt_from, base)
    for symbols, word in zip(words.cut(counts, base), counts, strict=True):
        cut = list(symbols)
        apply(cut, rank)
        assert [tuple(cut)] == list(words.cut({word: 1}, after)), word
