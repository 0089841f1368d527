from data_prep.translate.sentences import boundaries, clauses


def test_abbreviations_and_decimals_end_no_sentence():
    text = "Dr. Rao paid 5.50 for it. He left!"

    assert boundaries(text, "en-Latn") == [text.index("He")]


def test_dandas_do():
    text = "यह है। वह है॥ अंत"

    assert boundaries(text, "hi-Deva") == [text.index("वह"), text.index("अंत")]


def test_half_a_surrogate_pair_is_no_reason_to_stop():
    assert boundaries("One \ud800 two. Three.", "en-Latn") == [11]


def test_no_text_has_no_boundaries():
    assert boundaries("", "en-Latn") == []


def test_a_long_sentence_ends_at_its_last_clause_in_the_second_half():
    text = "aa, bbbb cccc; dddd eeee ffff"

    assert [text[place:] for place in clauses(text, 18)] == ["dddd eeee ffff"]


def test_without_clauses_at_white_space_and_without_that_anywhere():
    assert list(clauses("aaaa bbbb cccc", 10)) == [10]
    assert list(clauses("a" * 25, 10)) == [10, 20]
