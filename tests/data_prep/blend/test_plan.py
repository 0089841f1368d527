from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data_prep.blend.plan import plan
from data_prep.blend.records import BlendPlan, Dataset, LeftOut
from data_prep.errors import DataError

from .wishes import HELDOUT, PAPER, M, dataset, millions, wishes

NEAR = {"rel": 1e-6}


def test_the_papers_blend_in_millions_of_tokens() -> None:
    """40 real x 2 + 60 translated x 1 + 120 romanised x 0.5 = 200 Hindi, beside 200 English."""
    blend = plan(PAPER, wishes())
    assert {(entry.lang, entry.kind): entry.epochs for entry in blend.train} == pytest.approx(
        {
            ("en-Latn", "real"): 1.0,
            ("hi-Deva", "real"): 2.0,
            ("hi-Deva", "translated"): 1.0,
            ("hi-Latn", "romanized"): 0.5,
        }
    )
    assert [entry.weight for entry in blend.train] == pytest.approx([0.5, 0.2, 0.15, 0.15])
    assert [entry.tokens_drawn for entry in blend.train] == [200 * M, 80 * M, 60 * M, 60 * M]
    assert blend.train[1].why == "hi gets 50% of the budget; real has preference 2"
    assert blend.samples == 97_656
    drawn = {name: (total.weight, total.epochs) for name, total in (blend.by_language | blend.by_kind).items()}
    assert drawn["hi"] == pytest.approx((0.5, 200 / 220))
    assert drawn["real"] == pytest.approx((0.7, 280 / 240))


def test_a_source_at_its_cap_leaves_the_rest_of_its_language_to_the_others() -> None:
    """Of 400M Hindi tokens 40 x 4 are real; 240 remain for 60 x 1c and 120 x 0.5c."""
    blend = plan(PAPER, wishes(budget_tokens=800 * M))
    assert millions(blend) == pytest.approx(
        {"s.en-Latn.real": 400, "s.hi-Deva.real": 160, "s.hi-Deva.translated": 120, "s.hi-Latn.romanized": 120}
    )
    blend = plan([dataset("en-Latn", "real", 300), *PAPER[1:]], wishes(budget_tokens=1200 * M))
    hindi = {"s.hi-Deva.real": 160, "s.hi-Deva.translated": 220, "s.hi-Latn.romanized": 220}
    assert millions(blend) == pytest.approx({"s.en-Latn.real": 600, **hindi})
    assert blend.train[-1].why.endswith("held at its cap of 4 epochs")


def test_caps_of_a_kind_or_a_source_count_before_the_common_one() -> None:
    corpus = [*PAPER, dataset("hi-Deva", "real", 10, source="wiki")]
    blend = plan(corpus, wishes(max_epochs_of={"real": 1.0, "wiki": 2.0}))
    assert millions(blend)["s.hi-Deva.real"] == pytest.approx(40)
    assert millions(blend)["wiki.hi-Deva.real"] == pytest.approx(20)
    assert {entry.name: entry.max_epochs for entry in blend.train}["s.hi-Latn.romanized"] == 4


def test_unimax_within_a_language_and_over_languages() -> None:
    """Three languages of 133.3 each; Nepali has 20 x 4 only, so 160 each of the others; Hindi's by equal parts."""
    corpus = [*PAPER, dataset("ne-Deva", "real", 20), dataset("ne-Deva", "real", 1, "heldout")]
    blend = plan(corpus, wishes(language_shares=None, method="unimax"))
    assert blend.language_shares == pytest.approx({"en": 0.4, "hi": 0.4, "ne": 0.2})
    third = pytest.approx(160 / 3, **NEAR)
    assert millions(blend) == {
        "s.en-Latn.real": pytest.approx(160),
        "s.ne-Deva.real": pytest.approx(80),
        "s.hi-Deva.real": third,
        "s.hi-Deva.translated": third,
        "s.hi-Latn.romanized": third,
    }


def test_temperature_within_a_language_and_over_languages() -> None:
    """T = 2: sources of 90 and 10 weigh 3 to 1; languages of 100 and 25 weigh 2 to 1."""
    corpus = [dataset("hi-Deva", "real", 90), dataset("hi-Deva", "real", 10, source="b"), *HELDOUT]
    corpus.append(dataset("en-Latn", "real", 25))
    blend = plan(
        corpus,
        wishes(language_shares=None, language_method="temperature", method="temperature", temperature=2.0,
               budget_tokens=60 * M),
    )  # fmt: skip
    assert millions(blend) == pytest.approx({"s.hi-Deva.real": 30, "b.hi-Deva.real": 10, "s.en-Latn.real": 20}, **NEAR)
    assert "weights as tokens^0.5" in blend.train[0].why


def test_what_is_not_asked_for_or_too_short_is_left_out_and_named() -> None:
    others = [
        dataset("mr-Deva", "real", 50),
        dataset("hi-Deva", "real", 0, source="empty"),
        dataset("hi-Deva", "real", 0.004096, source="short"),
        dataset("hi-Deva", "real", 0.005, source="rare"),
    ]
    blend = plan([*PAPER, *others], wishes(kinds=("real", "translated"), max_epochs_of={"rare": 0.5}))
    assert set(millions(blend)) == {"s.en-Latn.real", "s.hi-Deva.real", "s.hi-Deva.translated"}
    assert blend.left_out == (
        LeftOut(prefix="/train/s.hi-Latn.romanized", why="kind romanized is not in `kinds`"),
        LeftOut(prefix="/train/s.mr-Deva.real", why="language mr has no share"),
        LeftOut(prefix="/train/empty.hi-Deva.real", why="it holds no tokens"),
        LeftOut(
            prefix="/train/short.hi-Deva.real",
            why="4,096 tokens are less than one sample of 4,096 and the token that follows it",
        ),
        LeftOut(prefix="/train/rare.hi-Deva.real", why="0.5 epochs of 5,000 tokens are less than one sample of 4,096"),
    )


def test_a_source_too_small_for_a_sample_of_its_own_is_lifted_to_one() -> None:
    corpus = [*PAPER, dataset("hi-Deva", "translated", 0.0041, source="tiny")]
    entry = plan(corpus, wishes(budget_tokens=40 * M)).train[-1]
    assert (entry.source, entry.tokens_drawn) == ("tiny", 4096)
    assert entry.why.endswith("lifted to one sample of 4,096 tokens")


def test_a_share_of_fewer_samples_than_datasets_is_shared_alike_and_says_so() -> None:
    """Hindi has 8 samples for 10 datasets."""
    corpus = [dataset("en-Latn", "real", 200), *HELDOUT]
    corpus += [dataset("hi-Deva", "real", 1 + n, source=f"s{n}") for n in range(10)]
    blend = plan(corpus, wishes(budget_tokens=4096 * 800, language_shares={"en": 0.99, "hi": 0.01}))
    assert {entry.tokens_drawn for entry in blend.train[1:]} == {round(0.8 * 4096)}
    assert blend.train[-1].why.endswith("; less than a sample, which may mean none")


def test_a_draw_megatrons_index_might_not_hold_is_raised_and_says_so() -> None:
    """Hindi at 0.993 epochs in two sizes: upstream rounds 3.63 samples of each small source up to 4, 1.4 % in all."""
    corpus = [*PAPER[:1], dataset("hi-Deva", "real", 40.01), *HELDOUT]
    corpus += [dataset("hi-Deva", "real", 0.0149, source=f"small{n}") for n in range(1000)]
    blend = plan(corpus, wishes(budget_tokens=109 * M))
    entry = next(entry for entry in blend.train if entry.source == "s" and entry.lang == "hi-Deva")
    assert 0.993 < entry.epochs < 1
    assert "; raised from" in entry.why
    assert sum(each.weight for each in blend.train) == pytest.approx(1)


def test_validation_weighs_languages_alike_and_prefers_real_text() -> None:
    heldout = [
        dataset("en-Latn", "real", 900, "heldout"),
        dataset("hi-Deva", "real", 10, "heldout", "a"),
        dataset("hi-Deva", "real", 30, "heldout", "b"),
        dataset("hi-Latn", "romanized", 500, "heldout"),
    ]
    blend = plan([*PAPER[:4], *heldout], wishes())
    assert [(entry.prefix, entry.weight) for entry in blend.validation] == [
        ("/heldout/s.en-Latn.real", 0.5),
        ("/heldout/b.hi-Deva.real", 0.375),
        ("/heldout/a.hi-Deva.real", 0.125),
    ]


def test_of_many_heldout_datasets_the_largest_are_validated_on() -> None:
    heldout = [HELDOUT[0], *(dataset("hi-Deva", "real", 1 + n, "heldout", f"s{n}") for n in range(20))]
    blend = plan([*PAPER[:4], *heldout], wishes())
    assert [entry.source for entry in blend.validation] == ["s", *(f"s{n}" for n in range(19, 3, -1))]
    assert sum(entry.weight for entry in blend.validation) == pytest.approx(1)
    why = "held out; validated on is the real text of hi, at most its 16 largest"
    assert blend.left_out == tuple(LeftOut(prefix=f"/heldout/s{n}.hi-Deva.real", why=why) for n in range(4))


def test_validation_takes_synthetic_text_where_there_is_no_other() -> None:
    heldout = [HELDOUT[0], dataset("hi-Latn", "romanized", 5, "heldout")]
    assert [entry.lang for entry in plan([*PAPER[:4], *heldout], wishes()).validation] == ["en-Latn", "hi-Latn"]


sizes = st.floats(1, 10**6)
corpora = st.tuples(sizes, sizes, sizes, sizes).map(
    lambda counts: [
        dataset("en-Latn", "real", counts[0]),
        dataset("hi-Deva", "real", counts[1]),
        dataset("hi-Deva", "translated", counts[2]),
        dataset("hi-Latn", "romanized", counts[3]),
        *HELDOUT,
    ]
)
shares = st.floats(0.01, 0.99).map(lambda share: {"en": share, "hi": 1 - share})
methods = st.sampled_from(["preference", "unimax", "temperature"])
preferences = st.lists(st.floats(0.01, 100), min_size=3, max_size=3).map(
    lambda values: dict(zip(("real", "translated", "romanized"), values, strict=True))
)


@given(corpora, shares, preferences, methods, st.floats(1, 10**6), st.floats(0.1, 50))
def test_weights_add_up_caps_hold_and_the_best_budget_named_is_reachable(
    corpus: list[Dataset], share, preference, method, budget, cap
) -> None:
    settings = wishes(
        language_shares=share, preference=preference, method=method, budget_tokens=round(budget * M), max_epochs=cap
    )
    try:
        blend = plan(corpus, settings)
    except DataError as error:
        best = int(error.fix.removeprefix("budget_tokens=").split()[0])
        assume(best > 4096 * 1000)
        blend = plan(corpus, replace(settings, budget_tokens=best))
    for entries in (blend.train, blend.validation):
        weights = [entry.weight for entry in entries]
        assert all(weight > 0 for weight in weights)
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) == pytest.approx(1)
    assert all(entry.epochs <= cap * (1 + 1e-9) for entry in blend.train)
    assert blend.by_language["en"].weight == pytest.approx(share["en"], rel=0.005)


@given(corpora, shares, preferences, st.floats(1, 100))
def test_more_preference_never_means_less_real(corpus: list[Dataset], share, preference, factor) -> None:
    def real_share(real: float) -> float:
        blend = plan(corpus, wishes(language_shares=share, preference=preference | {"real": real}, max_epochs=1e12))
        return blend.by_kind["real"].weight

    assert real_share(preference["real"] * factor) >= real_share(preference["real"]) * (1 - 1e-4)


@given(corpora, shares, preferences, methods, st.integers(2, 1000))
def test_only_ratios_matter(corpus: list[Dataset], share, preference, method, factor) -> None:
    def solve(scale: int) -> BlendPlan:
        scaled = [replace(each, tokens=each.tokens * scale) for each in corpus]
        budget, caps = 4000 * M * scale, {"max_epochs": 1e12}
        return plan(
            scaled,
            wishes(language_shares=share, preference=preference, method=method, budget_tokens=budget, **caps),
        )

    one, many = solve(1), solve(factor)
    expected = {entry.name: entry for entry in one.train}
    for entry in many.train:
        assume(expected[entry.name].weight * one.samples > 1000)
        assert entry.weight == pytest.approx(expected[entry.name].weight, rel=1e-2)
        assert entry.epochs == pytest.approx(expected[entry.name].epochs, rel=1e-2)
