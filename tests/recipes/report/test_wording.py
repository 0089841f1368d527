"""The report's sentences say what the facts say, whichever way they went."""

from dataclasses import fields

import pytest

from recipes.report import wording
from recipes.report.facts import Report


def report(bits=None, **parts):
    parts = {field.name: None for field in fields(Report)} | {"cards": {}, "seconds": {}} | parts
    return Report(**{**parts, "bits_per_byte": bits})


def plain(text):
    """With usual blanks and minus signs."""
    return text.replace(wording.NARROW, " ").replace(wording.MINUS, "-")


@pytest.mark.parametrize(
    ("base", "cpt", "sentence"),
    [
        (2.912, 1.874, "Hindi bits per byte fell from 2.91 to 1.87 (-36 %)."),
        (1.874, 2.912, "Hindi bits per byte rose from 1.87 to 2.91 (+55 %)."),
        (1.874, 1.8741, "Hindi bits per byte stayed at 1.87."),
        (2.0, 1.99, "Hindi bits per byte fell from 2.00 to 1.99 (-0.5 %)."),
    ],
)
def test_headline_is_honest_in_either_direction(base, cpt, sentence):
    assert plain(wording.headline(report({"hi-Deva": {"base": base, "cpt": cpt}}))) == sentence


@pytest.mark.parametrize(
    ("cpt", "sentence"),
    [
        (2.103, "English rose from 2.02 to 2.10 (+4.1 %): that is the forgetting which replay is there to limit."),
        (1.9, "English fell from 2.02 to 1.90 (-6.0 %): nothing was forgotten here."),
        (2.021, "English stayed at 2.02: nothing was forgotten here."),
    ],
)
def test_replay_sentence_is_honest_in_either_direction(cpt, sentence):
    bits = {"en-Latn": {"base": 2.021, "cpt": cpt, "difference": {}}}
    assert plain(wording.replay_sentence(report(bits))) == sentence


@pytest.mark.parametrize(
    ("low", "sentence"),
    [
        (0.04, "(+5.0 %, 95 % interval +2.0 % to +8.0 %): that is the forgetting which replay is there to limit."),
        (-0.02, "(+5.0 %, 95 % interval -1.0 % to +8.0 %): these documents do not tell that from no change."),
        (None, "(+5.0 %): that is the forgetting which replay is there to limit."),
    ],
)
def test_replay_sentence_says_what_the_documents_can_tell(low, sentence):
    difference = {"base": {"cpt": {"delta": 0.1, "low": low, "high": 0.16}}}
    bits = {"en-Latn": {"base": 2.0, "cpt": 2.1, "difference": difference}}
    assert plain(wording.replay_sentence(report(bits))) == f"English rose from 2.00 to 2.10 {sentence}"


def test_headline_takes_the_language_with_most_real_text():
    bits = {lang: {"base": 3.0, "cpt": 2.0} for lang in ("en-Latn", "hi-Latn", "hi-Deva")}
    by = {"hi-Latn": {"romanized": {"tokens": 900}}, "hi-Deva": {"real": {"tokens": 10}}, "en-Latn": {}}
    assert wording.target_language(report(bits, corpus={"by": by})) == "hi-Deva"


def test_without_evaluation_the_headline_says_what_was_trained():
    run = {"steps": 1}
    assert wording.headline(report(base=run, cpt=run)) == (
        "Trained: base, CPT. Not measured yet: bits per byte before and after."
    )
    assert wording.headline(report()) == "Nothing has been trained in this folder yet."
    assert wording.replay_sentence(report()) is None


def test_a_model_without_a_finite_figure_is_not_measured():
    assert wording.measured(report({"hi-Deva": {"base": 2.0, "cpt": None}})) == {}


@pytest.mark.parametrize(("drawn", "is_toy"), [(819_200, True), (399_999_999, True), (400_000_000, False), (0, False)])
def test_only_a_small_run_is_called_a_toy(drawn, is_toy):
    sentence = wording.scale_sentence(report(cpt={"tokens": drawn}))
    assert (sentence is not None) == is_toy
    assert wording.scale_sentence(report()) is None


def test_scale_sentence_gives_both_sizes():
    sentence = wording.scale_sentence(report(cpt={"tokens": 819_200}))
    assert "continued pre-training drew 819 thousand tokens, the paper's run 400 billion." in plain(sentence)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("hi-Deva", "Hindi"),
        ("hi", "Hindi"),
        ("hi-Latn", "Hindi in Latin script"),
        ("en-Latn", "English"),
        ("bn-Beng", "Bengali"),
        ("bn-Latn", "Bengali in Latin script"),
        ("sw-Latn", "Swahili"),
        ("gom-Deva", "gom-Deva"),
    ],
)
def test_language_names(tag, name):
    assert wording.language(tag) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.duration(8.24), "8.2 s"),
        (wording.duration(59.7), "1 min 00 s"),
        (wording.duration(567), "9 min 27 s"),
        (wording.duration(7500), "2 h 05 min"),
        (wording.count(1234567), "1,234,567"),
        (wording.large(9_500), "9,500"),
        (wording.large(12_345), "12.3 thousand"),
        (wording.large(1_234_567), "1.23 million"),
        (wording.large(400e9), "400 billion"),
        (wording.exponent(1.19e-5), "1.2 × 10⁻⁵"),
        (wording.exponent(0.0), "0"),
        (wording.percent(-0.356, signed=True), "-36 %"),
        (wording.percent(0), "0 %"),
        (wording.decimal(-1.5), "-1.50"),
        (wording.decimal(None), "–"),
        (wording.layout({"tensor": 2, "pipeline": 1, "data": 4}), "TP 2 · PP 1 · DP 4"),
        (wording.not_finite({"steps_not_finite": 3, "steps": 10}), "3 of 10 steps have no finite loss"),
    ],
)
def test_numbers_as_people_read_them(text, expected):
    assert plain(text) == expected


def test_a_sound_run_gets_no_warning():
    assert wording.not_finite({"steps_not_finite": 0, "steps": 10}) is None
