"""Metrics that see Hindi: a text is worth 100 beside itself, however its letters and dandas are typed."""

import unicodedata

import pytest

from recipes.evaluate import metrics

HINDI = [
    "गंगा हिमालय से निकलती है। यह बंगाल की खाड़ी में मिलती है।",
    "ज़मीन पर पड़े फूल सूख गए।",
    "क्या आप कल दिल्ली जाएँगे?",
    "१९४७ में भारत स्वतंत्र हुआ।",
]
UNRELATED = [
    "डॉक्टर ने मरीज़ को दवा दी।",
    "इंजन से धुआँ उठ रहा था।",
    "मुझे चाय पसंद नहीं।",
    "टीम हार गई!",
]
ROUGES = ("rouge1", "rouge2", "rougeL")


def precomposed(text: str) -> str:
    """Letters with a nukta as one code point, which NFC never writes."""
    for letter in map(chr, range(0x0958, 0x0960)):
        text = text.replace(unicodedata.normalize("NFC", letter), letter)
    return text


def test_the_precomposed_text_is_another_string():
    assert precomposed(HINDI[1]) != unicodedata.normalize("NFC", HINDI[1])


def test_identical_text_scores_100():
    for name, score in metrics.corpus_scores(HINDI, HINDI).items():
        if not name.endswith("_default"):
            assert score.value == pytest.approx(100), name


def test_unrelated_text_scores_near_0():
    scores = metrics.corpus_scores(UNRELATED, HINDI)
    assert scores["chrf++"].value < 15
    assert scores["bleu"].value < 5
    assert [scores[name].value < 10 for name in ROUGES] == [True] * 3


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(precomposed, id="nukta as one code point"),
        pytest.param(lambda text: unicodedata.normalize("NFD", text), id="nukta as two"),
        pytest.param(lambda text: text.replace("।", " ।"), id="space before danda"),
        pytest.param(lambda text: text.replace("। ", "।"), id="no space after danda"),
        pytest.param(lambda text: text.replace("?", " ?"), id="space before question mark"),
    ],
)
@pytest.mark.parametrize("others", [HINDI, UNRELATED], ids=["same", "unrelated"])
def test_typing_does_not_change_the_score(variant, others):
    plain = metrics.corpus_scores(others, HINDI)
    typed = metrics.corpus_scores([variant(text) for text in others], HINDI)
    assert typed == plain
    assert metrics.item_scores(variant(others[1]), HINDI[1]) == metrics.item_scores(others[1], HINDI[1])


def test_the_default_rouge_does_not_see_hindi_and_its_label_says_what_it_is_for():
    identical = metrics.rouge_default(HINDI, HINDI)
    assert identical["rougeL_default"].value == 0
    different = metrics.rouge_default(["1869 किताबें 2"], ["1869 में युद्ध 2"])
    assert different["rouge1_default"].value == pytest.approx(100)
    assert metrics.rouge(["1869 किताबें 2"], ["1869 में युद्ध 2"])["rouge1"].value < 60
    assert all("comparable to published" in metrics.LABELS[name] for name in identical)


def test_the_default_rouge_is_rouge_score_s_own_on_english():
    hypothesis, reference = "the cat sat on the mat", "a cat sat on a mat"
    default = metrics.rouge_default([hypothesis], [reference])
    assert default["rouge1_default"].value == pytest.approx(100 * 2 * 4 / 12)
    assert default["rouge1_default"].value == metrics.rouge([hypothesis], [reference])["rouge1"].value


def test_signatures_say_how_to_repeat_a_value():
    scores = metrics.corpus_scores(HINDI, HINDI)
    assert scores["chrf++"].signature == (
        "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0|norm:nfc+sentence-ends"
    )
    assert "tok:intl" in scores["bleu"].signature
    assert scores["rougeL"].signature != scores["rougeL_default"].signature
    assert set(scores) <= set(metrics.LABELS)
    assert metrics.HEADLINE in scores


def test_an_item_s_values_are_those_of_a_corpus_of_one():
    item = metrics.item_scores(HINDI[0], HINDI[3])
    corpus = metrics.corpus_scores([HINDI[0]], [HINDI[3]])
    assert item == pytest.approx({name: corpus[name].value for name in item})


def test_vowel_signs_and_joiners_are_part_of_a_word():
    assert metrics.words("«क्षेत्रों» में, र\u200dय—कि 5%") == ["क्षेत्रों", "में", "र\u200dय", "कि", "5"]


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "overlap"),
    [
        ("नई दिल्ली।", ["नई दिल्ली"], 1, 1),
        ("“नई दिल्ली”", ["दिल्ली", "नई दिल्ली"], 1, 1),
        ("दिल्ली", ["नई दिल्ली"], 0, 2 / 3),
        ("१९४७", ["1947"], 1, 1),
        ("1,00,000", ["100000"], 1, 1),
        ("ज़मीन", ["\u095bमीन"], 1, 1),
        ("The river", ["river"], 0, 2 / 3),
        ("है।वह", ["है वह"], 1, 1),
        ("", [""], 1, 1),
        ("कुछ", [""], 0, 0),
        ("", ["कुछ"], 0, 0),
        ("मुंबई", ["दिल्ली"], 0, 0),
    ],
)
def test_short_answers_are_compared_by_unicode_words(prediction, references, exact, overlap):
    assert metrics.exact_match(prediction, references) == exact
    assert metrics.f1(prediction, references) == pytest.approx(overlap)


@pytest.mark.parametrize("metric", metrics.COUNTED)
def test_the_counts_of_items_add_up_to_the_score_of_the_corpus(metric):
    hypotheses = ["राम घर गया और सो गया।", "पानी ठंडा है", "यह किताब अच्छी नहीं है।"]
    references = ["राम घर गया और सो गया ।", "पानी बहुत ठंडा है", "वह किताब मुझे अच्छी लगी।"]
    sums = [sum(column) for column in zip(*metrics.counts(metric, hypotheses, references), strict=True)]
    whole = metrics.corpus_scores(hypotheses, references)[metric].value
    assert 0 < whole < 100
    assert metrics.of_counts(metric, sums) == pytest.approx(whole)
