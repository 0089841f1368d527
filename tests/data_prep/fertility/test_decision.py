"""What counts mean, in written-out numbers, and the verdict by the rule."""

from pathlib import Path

import pytest

from data_prep.errors import UsageError
from data_prep.fertility.counts import Counts
from data_prep.fertility.decision import RULE, Key, Row, rows, verdicts
from data_prep.fertility.settings import FertilitySettings
from data_prep.settings import load

SETTINGS = FertilitySettings(
    tokenizers={"base": Path("tokenizer.model")},
    documents=Path("documents"),
    output=Path("out.json"),
    words=118_000_000_000,
    tokens_per_second=477_000,
)


def counts(words: int, tokens: int, fallback: int = 0) -> Counts:
    return Counts(documents=1, words=words, characters=words * 5, bytes=words * 12, tokens=tokens, fallback=fallback)


def one(lang: str, words: int, tokens: int, fallback: int = 0) -> Row:
    (row,) = rows({("base", lang, "real"): counts(words, tokens, fallback)}, SETTINGS)
    return row


def test_the_papers_numbers() -> None:
    """1.7 tokens a word: 2,409 words fit in 4,096 tokens, and 200B tokens take 4.9 days on the paper's GPUs."""
    row = one("hi-Deva", 1000, 1700)
    assert (row.tokens_per_word, row.words_in_context) == (1.7, 2409)
    assert row.tokens_for_words == 200_600_000_000
    assert row.training_days == pytest.approx(200.6e9 / 477_000 / 86_400, abs=1e-3) == 4.867
    assert (row.characters_per_token, row.bytes_per_token) == (2.9412, 7.0588)


def test_tokens_are_compared_with_those_of_english() -> None:
    found = rows(
        {
            ("base", "en-Latn", "real"): counts(1000, 1250),
            ("base", "en-Latn", "translated"): counts(1000, 9000),
            ("base", "hi-Deva", "real"): counts(1000, 2500),
            ("other", "hi-Deva", "real"): counts(1000, 2500),
        },
        SETTINGS,
    )
    assert [row.times_baseline for row in found] == [1.0, 7.2, 2.0, None]


@pytest.mark.parametrize(
    ("tokens", "fallback", "extend", "why"),
    [
        (1700, 0, False, "1.70 tokens a word (at most 2.00), 0.00% of characters without a piece (at most 1.00%)"),
        (2610, 0, True, "2.61 tokens a word (above 2.00), 0.00% of characters without a piece (at most 1.00%)"),
        (1700, 100, True, "1.70 tokens a word (at most 2.00), 2.00% of characters without a piece (above 1.00%)"),
        (2000, 50, False, "2.00 tokens a word (at most 2.00), 1.00% of characters without a piece (at most 1.00%)"),
    ],
)
def test_the_verdict(tokens: int, fallback: int, extend: bool, why: str) -> None:  # noqa: FBT001
    (verdict,) = verdicts([one("hi-Deva", 1000, tokens, fallback)], SETTINGS)
    assert (verdict.extend, verdict.why) == (extend, why)


def test_a_language_is_judged_by_its_real_text_and_the_baseline_not_at_all() -> None:
    found: dict[Key, Counts] = {
        ("base", "en-Latn", "real"): counts(1000, 9000),
        ("base", "hi-Deva", "translated"): counts(1000, 9000),
        ("base", "hi-Deva", "real"): counts(1000, 1500),
        ("base", "hi-Latn", "romanized"): counts(1000, 2500),
    }
    judged = verdicts(rows(found, SETTINGS), SETTINGS)
    assert [(each.lang, each.kind, each.extend) for each in judged] == [
        ("hi-Deva", "real", False),
        ("hi-Latn", "romanized", True),
    ]


def test_the_rule_says_what_is_the_papers_and_what_is_ours() -> None:
    assert "2.0 is our choice" in RULE
    assert "the paper kept its tokenizer at 1.7 (arXiv 2410.14815" in RULE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tokenizers={}"], "no tokenizer is named"),
        (["documents=null"], "no text is named"),
        (["words=0"], "words 0 is not above 0"),
        (["tokens_per_second=-1"], "tokens_per_second -1.0 is not above 0"),
        (["max_fallback=2"], "max_fallback 2.0 is no share of characters"),
    ],
)
def test_settings_that_mean_nothing_are_wrong_usage(words: list[str], message: str) -> None:
    sound = ["tokenizers={base: a}", "documents=b", "output=c", "words=1", "tokens_per_second=1"]
    changed = {word.partition("=")[0] for word in words}
    kept = [word for word in sound if word.partition("=")[0] not in changed]
    with pytest.raises(UsageError, match=message):
        load(FertilitySettings, [], [*kept, *words])
