"""Sums with written-out numbers; what is invalid is in no mean."""

import pytest

from recipes.evaluate.judge.asking import Outcome
from recipes.evaluate.judge.endpoint import Reply
from recipes.evaluate.judge.results import graded, paired, served, usage, winner
from recipes.evaluate.judge.settings import PriceSettings
from tests.recipes.evaluate.judge.server import AXES


def grade(value):
    return Outcome(value=dict.fromkeys(AXES, float(value)))


def both(first, second):
    return Outcome(value=first), Outcome(value=second)


BAD, SILENT = Outcome(invalid="bad_json"), Outcome(unanswered="timeout")


def test_means_leave_out_what_is_invalid_and_count_it():
    found = graded({"m": {"1": grade(2), "2": grade(4), "3": BAD, "4": SILENT}}, samples=500, seed=0)
    model = found["models"]["m"]
    assert model["axes"]["Overall"]["mean"] == 3
    assert 0.6 < model["axes"]["Overall"]["standard_error"] < 0.8  # 1 / sqrt(2) in the limit
    assert (model["items"], model["valid"]) == (4, 2)
    assert (model["invalid"], model["unanswered"]) == ({"bad_json": 1}, {"timeout": 1})
    assert found["comparisons"] == []


def test_a_model_without_a_valid_grade_has_no_mean():
    model = graded({"m": {"1": BAD}}, samples=100, seed=0)["models"]["m"]
    assert (model["valid"], model["axes"], model["invalid"]) == (0, {}, {"bad_json": 1})


def test_two_models_are_compared_on_the_items_both_have_grades_of():
    one = {"1": grade(1), "2": grade(3), "3": BAD, "4": grade(5)}
    other = {"2": grade(4), "1": grade(2), "3": grade(5), "5": grade(5)}
    (found,) = graded({"one": one, "other": other}, samples=200, seed=0)["comparisons"]
    assert (found["models"], found["items"]) == (["one", "other"], 2)
    overall = found["axes"]["Overall"]
    assert (overall["delta"], overall["low"], overall["high"]) == (1, 1, 1)


def test_two_models_with_one_item_in_common_are_not_compared():
    (found,) = graded({"a": {"1": grade(1)}, "b": {"1": grade(2)}}, samples=200, seed=0)["comparisons"]
    assert (found["items"], found["axes"]) == (1, {})


@pytest.mark.parametrize(
    ("first", "second", "worth", "agree"),
    [
        ("A", "B", 1, True),
        ("B", "A", 0, True),
        ("tie", "tie", 0.5, True),
        ("A", "A", 0.5, False),
        ("B", "B", 0.5, False),
        ("A", "tie", 0.5, False),
        ("tie", "A", 0.5, False),
    ],
)
def test_a_pair_is_won_only_where_both_orders_say_so(first, second, worth, agree):
    assert winner(both(first, second)) == (worth, agree)


def test_a_pair_with_an_invalid_reply_is_worth_nothing():
    assert winner((Outcome(value="A"), BAD)) == (None, False)
    assert winner((SILENT, Outcome(value="A"))) == (None, False)


def test_wins_losses_and_ties_are_counted_with_a_share_and_its_interval():
    pairs = [both("A", "B")] * 5 + [both("B", "A")] * 2 + [both("tie", "tie"), both("A", "A"), (BAD, SILENT)]
    found = paired(pairs, samples=2000, seed=0)
    assert (found["items"], found["valid"]) == (10, 9)
    assert (found["wins"], found["losses"], found["ties"], found["of_ties_orders_disagree"]) == (5, 2, 2, 1)
    assert found["win_share"]["value"] == pytest.approx(6 / 9, abs=1e-6)
    assert found["win_share"]["low"] < 6 / 9 < found["win_share"]["high"]
    assert found["verdicts"] == {"first": 5 + 2 + 2, "second": 5 + 2, "tie": 2}
    assert (found["invalid"], found["unanswered"]) == ({"bad_json": 1}, {"timeout": 1})


def test_without_a_valid_pair_there_is_no_share():
    assert paired([(BAD, BAD)], samples=100, seed=0)["win_share"] is None


def test_tokens_and_cost_are_added_up_and_what_is_not_said_is_counted():
    def reply(prompt, completion, model="j"):
        return Reply(content="", finish="stop", model=model, prompt_tokens=prompt, completion_tokens=completion)

    replies = [reply(1_000_000, 100_000), reply(500_000, 50_000, "k"), reply(None, None, None)]
    found = usage(replies, PriceSettings(input=2.0, output=10.0, currency="EUR"))
    assert (found["replies"], found["prompt_tokens"], found["completion_tokens"]) == (3, 1_500_000, 150_000)
    assert found["replies_without_usage"] == 1
    assert (found["cost"]["value"], found["cost"]["currency"]) == (4.5, "EUR")
    assert usage(replies, None)["cost"] is None
    assert served(replies) == {"j": 1, "k": 1, "not said": 1}
