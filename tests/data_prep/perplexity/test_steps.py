"""What becomes of each document, and who is learnt from."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.documents import Reject
from data_prep.errors import DataError
from data_prep.perplexity.settings import PerplexitySettings
from data_prep.perplexity.steps import judge, part_of, read_compared

from ..test_documents import document

RULES = PerplexitySettings(train_share=0.4, heldout_fraction=0.2)
GROUPS = [f"pair-{number}" for number in range(2000)]


def test_only_documents_above_the_threshold_are_dropped():
    given = document(id="a", text="पाठ")
    assert judge(given, 10.0, 10.0) is given
    assert judge(given, 1e9, None) is given
    assert judge(given, 10.5, 10.0) == Reject(
        id="a", reason="high_perplexity", where="perplexity 10.5 is above 10", text="पाठ"
    )


def test_a_document_without_tokens_is_dropped_for_that():
    found = judge(document(id="a", text=" "), None, 10.0)
    assert isinstance(found, Reject)
    assert (found.reason, found.where) == ("no_tokens", "perplexity: the text has no token")


def test_groups_are_learnt_from_held_out_or_unused_in_the_shares_asked_for():
    parts = [part_of(group, RULES) for group in GROUPS]
    assert 0.17 < parts.count("heldout") / len(GROUPS) < 0.23
    assert 0.29 < parts.count("train") / len(GROUPS) < 0.35


@given(st.text())
def test_learning_from_less_holds_out_the_same_documents(group):
    more = part_of(group, dataclasses.replace(RULES, train_share=1.0))
    assert (part_of(group, RULES) == "heldout") == (more == "heldout")
    assert more != "unused"


def test_a_text_to_compare_with_is_named_by_id_or_line(make_jsonl):
    path = make_jsonl("human.jsonl", [{"id": "a", "text": "एक"}, {"text": "दो"}])
    assert [(item.id, item.text, item.source) for item in read_compared(path, "hi-Deva", "human")] == [
        ("a", "एक", "human"),
        ("2", "दो", "human"),
    ]


def test_a_bad_line_in_a_text_to_compare_with_is_named(make_jsonl):
    path = make_jsonl("human.jsonl", [{"text": "एक"}, {"hi": "दो"}])
    with pytest.raises(DataError, match=r"no field 'text'(.|\n)*human\.jsonl:2"):
        list(read_compared(path, "hi-Deva", "human"))
