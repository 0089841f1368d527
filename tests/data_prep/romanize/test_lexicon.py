from data_prep.romanize.letters import canonical
from data_prep.romanize.lexicon import hindi_words, key, loanwords, spellings


def test_spellings_of_one_english_word_share_a_key() -> None:
    assert len({key(canonical(each)) for each in ("कंप्यूटर", "कम्प्यूटर", "कम्प्युटर")}) == 1
    assert len({key(canonical(each)) for each in ("ज़ीरो", "जीरो", "ज़िरो")}) == 1


def test_retroflex_flaps_keep_hindi_words_apart_from_english_ones() -> None:
    assert key(canonical("गुड़")) != key("गुड")


def test_hindi_words_win_over_english_ones() -> None:
    assert loanwords()[key("पेट")] == "pet"
    assert spellings("पेट") == ()
    assert spellings(canonical("मेरी")) == ()


def test_every_listed_word_is_in_single_letters_and_latin() -> None:
    for word, listed in hindi_words().items():
        assert word == canonical(word)
        assert all(each.isascii() and each.isalpha() for each in listed)
        assert len(set(listed)) == len(listed)
