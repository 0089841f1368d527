"""A reply is used as it stands or not at all."""

import json

import pytest

from recipes.evaluate.judge.verdicts import InvalidReplyError, read_grades, read_verdict
from tests.recipes.evaluate.judge.server import AXES, grades


def without(axis: str) -> str:
    return json.dumps({name: 3 for name in AXES if name != axis})


@pytest.mark.parametrize(
    "content",
    [grades(3.5), f"\n {grades(3.5)}\n", f"```json\n{grades(3.5)}\n```", f"```\n{grades(3.5)}\n```"],
    ids=["bare", "spaces", "json fence", "plain fence"],
)
def test_grades_are_read_bare_or_fenced(content):
    assert read_grades(content) == dict.fromkeys(AXES, 3.5)


def test_the_ends_of_the_scale_count_in():
    found = read_grades(grades(1, Overall=5))
    assert (found["Clarity"], found["Overall"]) == (1.0, 5.0)


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        ("", "no_json", "no JSON object"),
        ("I would give it a 4.", "no_json", "no JSON object"),
        ("[4, 4, 4]", "no_json", "no JSON object"),
        (grades()[:-1], "bad_json", "not one JSON object"),
        (f"Here you are: {grades()}", "bad_json", "not one JSON object"),
        (f"{grades()} I hope this helps.", "bad_json", "not one JSON object"),
        (f"{grades()}\n{grades()}", "bad_json", "not one JSON object"),
        ("[" * 10_000 + "{", "bad_json", "not one JSON object"),
        (f"[{grades()}]", "bad_json", "not one JSON object"),
        ("{}", "missing_key", '"Factual Accuracy" is missing'),
        (without("Overall"), "missing_key", '"Overall" is missing'),
        (grades(Reason="good"), "extra_key", "keys besides"),
        (grades()[:-1] + ', "Overall": 1}', "extra_key", "or one twice"),
        (grades(Clarity="4"), "not_a_number", '"Clarity" is not a number'),
        (grades(Clarity=None), "not_a_number", '"Clarity" is not a number'),
        (grades(Clarity=True), "not_a_number", '"Clarity" is not a number'),
        (grades(Overall=0.99), "out_of_range", '"Overall" is not between 1 and 5'),
        (grades(Overall=5.01), "out_of_range", '"Overall" is not between 1 and 5'),
        (grades(Overall=float("nan")), "out_of_range", '"Overall" is not between 1 and 5'),
        (grades(Overall=float("inf")), "out_of_range", '"Overall" is not between 1 and 5'),
    ],
)
def test_everything_else_is_invalid_with_its_reason(content, reason, detail):
    with pytest.raises(InvalidReplyError, match=detail) as error:
        read_grades(content)
    assert error.value.reason == reason


@pytest.mark.parametrize("verdict", ["A", "B", "tie"])
def test_verdicts_are_read(verdict):
    assert read_verdict(json.dumps({"verdict": verdict})) == verdict


@pytest.mark.parametrize("verdict", ["a", "C", "Tie", "A ", None, 1, ["A"], {}])
def test_other_verdicts_are_invalid(verdict):
    with pytest.raises(InvalidReplyError, match='none of "A", "B", "tie"') as error:
        read_verdict(json.dumps({"verdict": verdict}))
    assert error.value.reason == "no_verdict"
