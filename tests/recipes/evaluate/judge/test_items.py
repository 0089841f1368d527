"""Questions and answers come from files of one's own and from item logs, or are refused by line."""

import json

import pytest

from data_prep.errors import DataError, UsageError
from recipes.evaluate.judge.items import Question, read_answers, read_questions, require_references


def jsonl(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_answers_of_one_s_own_hold_their_questions(tmp_path):
    questions = {}
    path = jsonl(tmp_path / "a.jsonl", {"id": 1, "question": "क्या?", "reference": "हाँ", "answer": "जी"})
    assert read_answers(path, questions) == {"1": "जी"}
    assert questions == {"1": Question(text="क्या?", reference="हाँ")}


def test_an_item_log_holds_question_target_and_prediction(tmp_path):
    questions = {}
    row = {"id": "ab", "index": 0, "question": "क्या?", "target": "हाँ", "prediction": "", "metrics": {"chrf++": 0.0}}
    assert read_answers(jsonl(tmp_path / "a.jsonl", row), questions) == {"ab": ""}
    assert questions == {"ab": Question(text="क्या?", reference="हाँ")}


def test_answers_without_questions_find_them_by_id_in_the_file_of_questions(tmp_path):
    questions = read_questions(jsonl(tmp_path / "q.jsonl", {"id": "1", "question": "क्या?", "reference": "हाँ"}))
    assert read_answers(jsonl(tmp_path / "a.jsonl", {"id": "1", "answer": "जी"}), questions) == {"1": "जी"}
    with pytest.raises(DataError, match="no question to this answer") as error:
        read_answers(jsonl(tmp_path / "b.jsonl", {"id": "1", "answer": "जी"}, {"id": "2", "answer": "जी"}), questions)
    assert "b.jsonl:2" in str(error.value)
    assert "questions=FILE.jsonl" in str(error.value)


def test_without_ids_equal_questions_meet(tmp_path):
    questions = {}
    one = read_answers(jsonl(tmp_path / "a.jsonl", {"question": "क्या?", "answer": "१"}), questions)
    other = read_answers(jsonl(tmp_path / "b.jsonl", {"question": "क्या?", "answer": "२"}), questions)
    assert set(one) == set(other) == set(questions)


def test_one_id_for_two_questions_is_refused(tmp_path):
    questions = read_questions(jsonl(tmp_path / "q.jsonl", {"id": "1", "question": "क्या?"}))
    with pytest.raises(DataError, match="id '1' stands for another question elsewhere") as error:
        read_answers(jsonl(tmp_path / "a.jsonl", {"id": "1", "question": "क्यों?", "answer": "x"}), questions)
    assert "answers to different questions would be compared" in str(error.value)


def test_a_reference_may_stand_in_one_file_only_but_not_two_in_two(tmp_path):
    questions = read_questions(jsonl(tmp_path / "q.jsonl", {"id": "1", "question": "क्या?"}))
    row = {"id": "1", "question": "क्या?", "answer": "x"}
    read_answers(jsonl(tmp_path / "a.jsonl", {**row, "reference": "हाँ"}), questions)
    read_answers(jsonl(tmp_path / "b.jsonl", row), questions)
    assert questions["1"].reference == "हाँ"
    with pytest.raises(DataError, match="id '1' stands for another reference elsewhere"):
        read_answers(jsonl(tmp_path / "c.jsonl", {**row, "reference": "नहीं"}), questions)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"id": 1\n'], "not valid JSON"),
        ([{"id": 1, "question": "क्या?"}], "no text in answer or prediction; fields here: id, question"),
        ([{"id": 1, "question": "क्या?", "answer": 4}], "no text in answer or prediction"),
        ([{"id": 1, "question": "क", "answer": "x"}] * 2, "id '1' stands twice"),
        ([], "this file is empty"),
    ],
)
def test_lines_that_are_no_answers_are_named(tmp_path, rows, message):
    with pytest.raises(DataError, match=message) as error:
        read_answers(jsonl(tmp_path / "a.jsonl", *rows), {})
    assert "a.jsonl" in error.value.where


def test_questions_are_read_as_strictly(tmp_path):
    with pytest.raises(DataError, match="no text in question"):
        read_questions(jsonl(tmp_path / "q.jsonl", {"id": 1, "text": "क्या?"}))
    with pytest.raises(DataError, match="no text in question"):
        read_questions(jsonl(tmp_path / "q.jsonl", {"id": 1, "question": " "}))
    with pytest.raises(DataError, match="stands twice"):
        read_questions(jsonl(tmp_path / "q.jsonl", *[{"question": "क्या?"}] * 2))
    with pytest.raises(UsageError, match="does not exist"):
        read_questions(tmp_path / "none.jsonl")


def test_grading_by_a_reference_wants_one_for_every_question():
    require_references({"1": Question(text="a", reference="b")})
    with pytest.raises(DataError, match="1 of 2 questions have no reference answer") as error:
        require_references({"1": Question(text="a", reference="b"), "2": Question(text="c")})
    assert "kind=open" in str(error.value)
