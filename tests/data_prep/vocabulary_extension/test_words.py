import pytest

from data_prep.errors import UsageError
from data_prep.vocabulary_extension import merge, words


def test_words_are_runs_of_the_script_with_the_space_before_them(extended) -> None:
    text = "हिन्‍दी का abc का १२ बाज़ार।"
    runs = words.find_words([text, "का"], "hi-Deva", merge.bare(extended.extension.base))
    assert list(runs) == [["हिन्‍दी", "▁का", "▁का", "▁बाज़ार"], ["का"]]


def test_what_the_base_spells_in_bytes_is_cut_into_characters(extended) -> None:
    cuts = words.cut({"▁கை": 3}, merge.bare(extended.extension.base))
    assert cuts == {("▁", "க", "ை"): 3}


def test_a_language_without_a_script_of_unicode_is_refused() -> None:
    with pytest.raises(UsageError, match="'ja-Jpan' names no single script of Unicode") as refused:
        words.word_pattern("ja-Jpan")
    assert "lang=hi-Deva" in refused.value.fix
