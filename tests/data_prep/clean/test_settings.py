"""Rules that cannot mean anything are refused with the key and a value that works."""

import pytest

from data_prep.clean.settings import CleanSettings, LanguageRules
from data_prep.errors import UsageError
from data_prep.settings import load


def read(tmp_path, text: str) -> CleanSettings:
    path = tmp_path / "clean.yaml"
    path.write_text(text)
    return load(CleanSettings, [path])


def test_yaml_changes_one_rule_and_keeps_the_other_defaults(tmp_path):
    settings = read(tmp_path, "languages: {hi-Deva: {min_words: 10}}")
    assert settings.rules("hi-Deva") == LanguageRules(min_words=10)
    assert settings.rules("en-Latn") == LanguageRules()


def test_romanised_text_needs_less_confidence():
    assert LanguageRules().confidence("hi-Latn") == 0.6
    assert LanguageRules().confidence("en-Latn") == 0.85
    assert LanguageRules(min_language_confidence=0.7).confidence("hi-Latn") == 0.7


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("max_symbol_share: 20", "max_symbol_share 20.0 is a share and lies between 0 and 1"),
        ("min_language_confidence: -1", "min_language_confidence -1.0 is a share and lies between 0 and 1"),
        ("max_line_repeats: 0", "max_line_repeats 0 would drop every line"),
        ("min_wordz: 3", "unknown key 'min_wordz'"),
    ],
)
def test_impossible_rules_are_refused_with_their_key(tmp_path, rule: str, message: str):
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path, f"languages: {{hi-Deva: {{{rule}}}}}")
    assert "languages.hi-Deva" in str(caught.value)
