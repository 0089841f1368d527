"""What task YAMLs name: corpus metrics of generated text, their spread, and short answers."""

import pytest

from recipes.evaluate import generated, metrics

TEXTS = ["गंगा उत्तर भारत की एक नदी है।", "किसान खेत में बीज बोता है।", "आज मौसम अच्छा है।", "बच्चे मैदान में खेलते हैं।"]


def pairs(name, hypotheses, references):
    parts = [generated.text_scores([wanted], [found]) for found, wanted in zip(hypotheses, references, strict=True)]
    return [part[name] for part in parts]


@pytest.mark.parametrize("name", [name for name in generated.NAMES if not name.endswith("_default")])
def test_identical_text_scores_a_hundred_without_spread(name):
    items = pairs(name, TEXTS, TEXTS)
    assert generated.corpus_score(items) == pytest.approx(100)
    assert generated.standard_error(items, samples=20, seed=0) == pytest.approx(0)
    assert all(score == pytest.approx(100) for score in generated.item_scores(items))


def test_space_around_an_answer_does_not_count():
    items = pairs("rougeL_default", [f" {word}\n" for word in ("one", "two")], ["one", "two"])
    assert generated.corpus_score(items) == pytest.approx(100)


@pytest.mark.parametrize("name", ["chrf++", "bleu", "rougeL"])
def test_the_spread_of_half_right_text_is_that_of_drawing_items_again(name):
    items = pairs(name, [*TEXTS[:2], "नहीं", "नहीं"] * 5, TEXTS * 5)
    error = generated.standard_error(items, samples=200, seed=0)
    assert 5 < error < 20, "half the items right: about 100 * sqrt(.25 / 20)"
    assert error == generated.standard_error(items, samples=200, seed=0)


@pytest.mark.parametrize("name", ["chrf++", "bleu"])
def test_counts_of_all_items_give_the_score_of_the_corpus(name):
    found = [*TEXTS[:2], *reversed(TEXTS[2:])]
    summed = [sum(column) for column in zip(*metrics.counts(name, found, TEXTS), strict=True)]
    assert metrics.of_counts(name, summed) == pytest.approx(generated.corpus_score(pairs(name, found, TEXTS)))


def test_the_signature_is_that_of_the_metric():
    assert "nw:2" in generated.signature(pairs("chrf++", TEXTS, TEXTS))
    assert "tok:intl" in generated.signature(pairs("bleu", TEXTS, TEXTS))


@pytest.mark.parametrize(
    ("answers", "written", "f1", "exact"),
    [
        (["जयपुर"], " जयपुर।\n", 1, 1),
        (["जयपुर में"], "जयपुर", 2 / 3, 0),
        ([""], "unanswerable", 1, 1),
        ([], "unanswerable", 1, 1),
        ([""], "जयपुर", 0, 0),
    ],
)
def test_short_answers_count_words_and_an_unanswerable_question_has_its_word(answers, written, f1, exact):
    found = generated.short_answer({"answers": {"text": answers}}, [written])
    assert found == {"f1": pytest.approx(f1), "exact_match": exact}
