"""The judge is told what it judges, in places nobody can write into, and by a template of one's own."""

import pytest

from data_prep.errors import UsageError
from recipes.evaluate.judge.prompts import AXES, again, fill, prompt_hash, template

VALUES = {"question": "क्या?", "reference": "हाँ", "answer": "नहीं", "answer_a": "एक", "answer_b": "दो"}


@pytest.mark.parametrize("kind", ["reference", "open"])
def test_the_built_in_templates_name_every_axis(kind):
    text = template(kind, None)
    assert all(f'"{axis}"' in text for axis in AXES)
    filled = fill(text, VALUES)
    assert "नहीं" in filled
    assert ("हाँ" in filled) == (kind == "reference")
    assert "{" not in filled


def test_the_pair_template_shows_both_answers_and_the_three_verdicts():
    filled = fill(template("pairs", None), VALUES)
    assert filled.index("[answer A]\nएक") < filled.index("[answer B]\nदो")
    assert all(f'{{"verdict": "{verdict}"}}' in filled for verdict in ("A", "B", "tie"))


def test_braces_in_an_answer_stay_what_they_are():
    assert (
        fill("{question}|{answer}", {"question": "{answer}", "answer": "{question} {x}"}) == "{answer}|{question} {x}"
    )


def test_a_template_of_one_s_own_may_use_indicquest_s_names(tmp_path):
    path = tmp_path / "eval_prompt.txt"
    path.write_text('{question} {ground_truth} {model_answer} {"Overall": 1}', encoding="utf-8")
    assert fill(template("reference", path), VALUES) == 'क्या? हाँ नहीं {"Overall": 1}'


def test_a_template_that_leaves_something_out_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{question} {answer}")
    assert template("open", path) == "{question} {answer}"
    with pytest.raises(UsageError, match=r"no place for \{reference\}") as error:
        template("reference", path)
    assert "kind=reference judges question, reference, answer" in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_template_that_cannot_be_read_is_refused(tmp_path, content):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot read this template") as error:
        template("open", path)
    assert "prompt=null" in str(error.value)


def test_asking_again_says_why_and_the_hash_names_the_template():
    assert again("P", "it was empty") == (
        "P\nAn earlier reply could not be used (it was empty). Reply with the JSON object alone."
    )
    assert prompt_hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
