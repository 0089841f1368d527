"""Means over tasks, and records that hold only for what they were made of."""

import pytest

from recipes.evaluate import results
from recipes.evaluate.choices import colliding
from recipes.evaluate.harness import TaskRun

RUN = TaskRun(scores={"acc": {"value": 0.5, "standard_error": 0.1}}, signature=None, truncated=0, items=[{"id": "a"}])


def score(value, error):
    return {"value": value, "standard_error": error}


def test_a_mean_counts_tasks_alike_or_by_their_items():
    scores = [score(0.2, 0.03), score(0.6, 0.04)]
    assert results.average(scores, [1, 1]) == score(0.4, 0.025)
    assert results.average(scores, [3, 1]) == score(0.3, pytest.approx(0.024622, abs=1e-6))


def test_a_mean_has_no_standard_error_where_a_task_has_none():
    assert results.average([score(0.2, None), score(0.6, 0.04)], [1, 1]) == score(0.4, None)


def test_a_group_leaves_out_a_metric_that_a_task_lacks():
    tasks = {
        name: {"groups": ["g"], "items": 4, "scores": {"m": {metric: score(0.5, 0.1) for metric in metrics}}}
        for name, metrics in {"a": ("acc", "acc_norm"), "b": ("acc",)}.items()
    }
    found = results.group_figures(tasks, {"g": {"acc": False, "acc_norm": False}})
    assert found["g"]["scores"] == {"m": {"acc": score(0.5, 0.070711)}}
    assert found["g"]["by_items"] == {"acc": False, "acc_norm": False}


def test_a_record_is_of_one_identity_and_has_its_log(tmp_path):
    written = results.write_run(tmp_path, "m", "t", "one", RUN)
    assert results.read_record(tmp_path, "m", "t", "one") == written
    assert results.read_record(tmp_path, "m", "t", "other") is None
    (tmp_path / "m" / "t.jsonl").unlink()
    assert results.read_record(tmp_path, "m", "t", "one") is None


def test_a_record_that_is_no_json_counts_as_none(tmp_path):
    results.write_run(tmp_path, "m", "t", "one", RUN)
    (tmp_path / "m" / "t.json").write_text("{")
    assert results.read_record(tmp_path, "m", "t", "one") is None


@pytest.mark.parametrize(
    ("ids", "pair"),
    [
        ({"A": [5], "B": [6]}, None),
        ({"positive": [7, 8], "negative": [9, 8]}, None),
        ({"A": [5], "B": [5]}, ("A", "B")),
        ({"yes": [4, 1], "no": [4, 2], "y": [4]}, ("y", "yes")),
        ({"A": [], "B": [6]}, ("A", "B")),
    ],
)
def test_choices_collide_where_one_begins_another(ids, pair):
    assert colliding(ids) == pair
