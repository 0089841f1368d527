"""Each message is read, and what it advises is tried."""

from dataclasses import replace

import pytest

from data_prep.blend.megatron import MOST_DATASETS
from data_prep.blend.plan import plan
from data_prep.blend.records import Dataset
from data_prep.errors import DataError, UsageError

from .wishes import HELDOUT, PAPER, M, dataset, wishes


def test_a_budget_out_of_reach_names_what_limits_the_best_budget_and_what_to_change() -> None:
    """Hindi gives 220 x 4 = 880 at most."""
    corpus = [dataset("en-Latn", "real", 1000), *PAPER[1:]]
    settings = wishes(budget_tokens=2000 * M)
    with pytest.raises(DataError) as raised:
        plan(corpus, settings)
    message = str(raised.value)
    assert "needs 1,000,000,000 tokens of hi; read as often as allowed, its datasets give 880,000,000" in message
    assert "where: /train/s.hi-Latn.romanized: 120,000,000 tokens x 4 epochs" in message
    assert "budget_tokens=1760000000 is the most" in message
    assert "max_epochs=4.55 if" in message
    assert "30,000,000 more tokens of hi at max_epochs=4" in message
    plan(corpus, replace(settings, budget_tokens=1760 * M))
    plan(corpus, replace(settings, max_epochs=4.55))
    plan([*corpus, dataset("hi-Deva", "real", 30, source="more")], settings)


def test_what_limits_is_shown_in_part_where_it_is_much() -> None:
    corpus = [*PAPER, *(dataset("hi-Deva", "real", 1, source=f"s{n}") for n in range(7))]
    with pytest.raises(DataError, match=r"romanized: 120,000,000(.|\n)*and 7 more"):
        plan(corpus, wishes(budget_tokens=4000 * M, language_shares={"hi": 1.0}))


def test_caps_of_their_own_are_kept_in_the_advice() -> None:
    own = {"real": 1.0, "translated": 1.0}
    settings = wishes(budget_tokens=2000 * M, language_shares={"hi": 1.0}, max_epochs_of=own)
    with pytest.raises(DataError, match=r"max_epochs=15\.84 if"):  # (2000 - 40 - 60) / 120
        plan(PAPER, settings)
    plan(PAPER, replace(settings, max_epochs=15.84))
    with pytest.raises(DataError, match=r"max_epochs_of: caps 9\.09 times as high"):
        plan(PAPER, replace(settings, max_epochs_of=own | {"romanized": 1.0}))


def test_without_shares_all_languages_together_limit() -> None:
    with pytest.raises(DataError, match=r"tokens of all languages(.|\n)*budget_tokens=1680000000 is"):
        plan(PAPER, wishes(language_shares=None, budget_tokens=2000 * M))


def test_a_name_in_max_epochs_of_that_is_nowhere_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'wiki', which is no kind and no source(.|\n)*translated, romanized, s"):
        plan(PAPER, wishes(max_epochs_of={"wiki": 8.0}))


def test_more_datasets_than_megatron_can_number_are_refused() -> None:
    corpus = [*PAPER, *(dataset("hi-Deva", "real", 1, source=f"s{n}") for n in range(MOST_DATASETS))]
    with pytest.raises(DataError, match=r"32,770 training datasets; Megatron numbers at most 32,766"):
        plan(corpus, wishes(budget_tokens=400_000 * M, max_epochs=2000.0))


def test_datasets_too_many_for_the_samples_are_refused_with_a_budget_that_is_not() -> None:
    sizes = (14, 6, 5, 14)
    small = [dataset("hi-Deva", "real", tokens / M, source=f"s{place}") for place, tokens in enumerate(sizes)]
    settings = wishes(budget_tokens=24, sequence_length=4, language_shares={"hi": 1.0})
    with pytest.raises(DataError, match=r"4 datasets are too many for 6 samples(.|\n)*budget_tokens=160") as raised:
        plan([*small, HELDOUT[1]], settings)
    assert "IndexError" in raised.value.why
    plan([*small, HELDOUT[1]], replace(settings, budget_tokens=160, max_epochs=10.0))


def test_a_raise_that_would_break_a_cap_is_refused() -> None:
    corpus = [*PAPER[:1], dataset("hi-Deva", "real", 40.01), *HELDOUT]
    corpus += [dataset("hi-Deva", "real", 0.0149, source=f"small{n}") for n in range(1000)]
    settings = wishes(budget_tokens=109 * M, max_epochs=0.993)
    with pytest.raises(DataError, match=r"Megatron's index needs 0\.995\d epochs(.|\n)*max_epochs_of=\{s: 1\}"):
        plan(corpus, settings)
    plan(corpus, replace(settings, max_epochs_of={"s": 1.0}))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (PAPER[:1] + HELDOUT, r"no train dataset in language 'hi'(.|\n)*remove hi from language_shares"),
        (PAPER[:4] + HELDOUT[:1], r"no heldout dataset in language 'hi'(.|\n)*heldout_fraction=0\.2"),
        ([dataset("hi-Deva", "real", 0), PAPER[0], *HELDOUT], r"no train(.|\n)*s\.hi-Deva\.real: it holds no tokens"),
    ],
)
def test_a_language_without_text_is_named(datasets: list[Dataset], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plan(datasets, wishes())
