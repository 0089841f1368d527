from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data_prep.blend_plan import BlendPlan, BlendSettings, Dataset, plan
from data_prep.errors import DataError


def dataset(lang: str, kind: str, tokens: int, split: str = "train", source: str = "s") -> Dataset:
    return Dataset(
        prefix=f"/{split}/{source}.{lang}.{kind}",
        source=source,
        lang=lang,
        kind=kind,
        split=split,
        tokens=tokens,
        documents=1,
        tokenizer_sha256="t",
    )


def wishes(**changes: Any) -> BlendSettings:
    values = {
        "tokens_dir": Path("tokens"),
        "output": Path("cpt.yaml"),
        "budget_tokens": 400,
        "language_shares": {"en": 0.5, "hi": 0.5},
    }
    return BlendSettings(**{**values, **changes})


HELDOUT = [dataset("en-Latn", "real", 10, "heldout"), dataset("hi-Deva", "real", 10, "heldout")]
PAPER = [
    dataset("en-Latn", "real", 200),
    dataset("hi-Deva", "real", 40),
    dataset("hi-Deva", "translated", 60),
    dataset("hi-Latn", "romanized", 120),
    *HELDOUT,
]


def epochs(blend: BlendPlan) -> dict[tuple[str, str], float | None]:
    return {(entry.lang, entry.kind): entry.epochs for entry in blend.train}


def test_the_papers_blend_in_billions_of_tokens() -> None:
    """40 real x 2 + 60 translated x 1 + 120 romanised x 0.5 = 200 Hindi, beside 200 English."""
    blend = plan(PAPER, wishes())
    assert epochs(blend) == pytest.approx(
        {
            ("en-Latn", "real"): 1.0,
            ("hi-Deva", "real"): 2.0,
            ("hi-Deva", "translated"): 1.0,
            ("hi-Latn", "romanized"): 0.5,
        }
    )
    assert [entry.weight for entry in blend.train] == pytest.approx([0.5, 0.2, 0.15, 0.15])
    assert [entry.tokens_drawn for entry in blend.train] == [200, 80, 60, 60]
    assert blend.train[1].why == "hi gets 50% of the budget; real has preference 2"


def test_kinds_and_languages_not_asked_for_are_left_out_and_named() -> None:
    others = [dataset("mr-Deva", "real", 50)]
    blend = plan([*PAPER, *others], wishes(kinds=("real", "translated")))
    assert ("hi-Latn", "romanized") not in epochs(blend)
    assert {item.prefix: item.why for item in blend.left_out} == {
        "/train/s.hi-Latn.romanized": "kind romanized is not in `kinds`",
        "/train/s.mr-Deva.real": "language mr has no share",
    }


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
        ("/heldout/a.hi-Deva.real", 0.125),
        ("/heldout/b.hi-Deva.real", 0.375),
    ]


def test_validation_takes_synthetic_text_where_there_is_no_other() -> None:
    heldout = [HELDOUT[0], dataset("hi-Latn", "romanized", 5, "heldout")]
    assert [entry.lang for entry in plan([*PAPER[:4], *heldout], wishes()).validation] == ["en-Latn", "hi-Latn"]


def test_too_many_epochs_name_the_limiting_source_the_best_budget_and_fixes() -> None:
    with pytest.raises(DataError) as raised:
        plan(PAPER, wishes(budget_tokens=1000))
    message = str(raised.value)
    assert "1,000 tokens need 5.00 epochs of s (hi-Deva, real), more than max_epochs=4" in message
    assert "/train/s.hi-Deva.real: 40 tokens" in message
    assert "budget_tokens=800 is the most" in message
    assert "max_epochs=5 if" in message
    assert "add hi text" in message
    plan(PAPER, wishes(budget_tokens=800))
    plan(PAPER, wishes(budget_tokens=1000, max_epochs=5.0))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (PAPER[:1] + HELDOUT, r"no train tokens in language 'hi'(.|\n)*remove hi from language_shares"),
        (PAPER[:4] + HELDOUT[:1], r"no heldout tokens in language 'hi'(.|\n)*heldout_fraction=0\.2"),
        ([dataset("hi-Deva", "real", 0), PAPER[0], *HELDOUT], "no train tokens in language 'hi'"),
    ],
)
def test_a_language_without_text_is_named(datasets: list[Dataset], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plan(datasets, wishes())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_tokens": 0}, "budget_tokens 0 is not"),
        ({"language_shares": {"en": 0.5, "hi": 0.4}}, "add up to 0.9, not 1"),
        ({"language_shares": {}}, "add up to 0, not 1"),
        ({"language_shares": {"en": 1.5, "hi": -0.5}}, "must be above 0"),
        ({"preference": {"real": 1.0, "reel": 2.0}}, "unknown kind 'reel'"),
        ({"preference": {"real": 1.0}}, "no positive preference for kind 'translated'"),
        ({"preference": {"real": 0.0}, "kinds": ("real",)}, "no positive preference for kind 'real'"),
        ({"max_epochs": 0.0}, "max_epochs 0.0 is not"),
        ({"output": Path("cpt.json")}, "does not end in .yaml"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wishes(**changes)


sizes = st.integers(1, 10**12)
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
preferences = st.lists(st.floats(0.01, 100), min_size=3, max_size=3).map(
    lambda values: dict(zip(("real", "translated", "romanized"), sorted(values, reverse=True), strict=True))
)


@given(corpora, shares, preferences, st.integers(1, 10**15))
def test_weights_are_positive_and_add_up_and_real_text_is_never_read_less(
    corpus: list[Dataset], share: dict[str, float], preference: dict[str, float], budget: int
) -> None:
    blend = plan(
        corpus,
        wishes(language_shares=share, preference=preference, budget_tokens=budget, max_epochs=float("inf")),
    )
    for entries in (blend.train, blend.validation):
        assert all(entry.weight > 0 for entry in entries)
        assert sum(entry.weight for entry in entries) == pytest.approx(1)
    hindi = [entry.epochs for entry in blend.train if entry.lang.startswith("hi")]
    assert hindi == sorted(hindi, reverse=True)
    assert sum(entry.weight for entry in blend.train if entry.lang == "en-Latn") == pytest.approx(share["en"])


@given(corpora, shares, preferences, st.integers(1, 1000))
def test_only_ratios_matter(
    corpus: list[Dataset], share: dict[str, float], preference: dict[str, float], factor: int
) -> None:
    def solve(scale: int) -> BlendPlan:
        scaled = [dataset(d.lang, d.kind, d.tokens * scale, d.split) for d in corpus]
        return plan(
            scaled,
            wishes(language_shares=share, preference=preference, budget_tokens=10**6 * scale, max_epochs=1e18),
        )

    one, many = solve(1), solve(factor)
    assert [e.weight for e in many.train] == pytest.approx([e.weight for e in one.train])
    assert [e.epochs for e in many.train] == pytest.approx([e.epochs for e in one.train])


@given(corpora, shares, st.integers(1, 10**15), st.floats(0.1, 50))
def test_caps_hold_and_the_best_budget_named_is_reachable(
    corpus: list[Dataset], share: dict[str, float], budget: int, cap: float
) -> None:
    try:
        blend = plan(corpus, wishes(language_shares=share, budget_tokens=budget, max_epochs=cap))
    except DataError as error:
        best = int(error.fix.removeprefix("budget_tokens=").split()[0])
        assume(best > 0)
        blend = plan(corpus, wishes(language_shares=share, budget_tokens=best, max_epochs=cap))
    assert all(entry.epochs <= cap * (1 + 1e-6) for entry in blend.train)
