"""What is taken from the harness's results."""

from types import SimpleNamespace

import pytest

from recipes.evaluate.harness import _f1_macro, uses_chat


def test_f1_is_the_mean_over_labels():
    task = SimpleNamespace(
        config=SimpleNamespace(metadata={"f1": True}),
        task_docs=[{}],
        doc_to_choice=lambda _: ["positive", "negative"],
    )
    answers = [(0, 0), (0, 0), (0, 1), (1, 1)]
    items = [{"target": target, "prediction": prediction} for target, prediction in answers]
    scores = _f1_macro(SimpleNamespace(task=task), items, samples=100, seed=0)
    assert scores["f1_macro"]["value"] == pytest.approx((4 / 5 + 2 / 3) / 2, abs=1e-6)
    assert scores["f1_macro"]["standard_error"] > 0.1


@pytest.mark.parametrize(
    ("template", "chat", "used"),
    [("{{ messages }}", "auto", True), (None, "auto", False), ("{{ messages }}", False, False), (None, False, False)],
)
def test_chat_is_used_as_asked_or_where_there_is_a_template(template, chat, used):
    assert uses_chat(SimpleNamespace(chat_template=template), chat=chat, model="m") is used
