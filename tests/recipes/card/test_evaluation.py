"""Figures keep their errors, in the tables and in the metadata."""

from dataclasses import replace

import pytest

from recipes.card import evaluation, findings
from recipes.report.wording import DASH


def test_models_up_to_this_one_stand_side_by_side_in_training_order(adapted) -> None:
    assert evaluation.shown_models(adapted) == ["base", "cpt", "dpo"]
    assert evaluation.shown_models(replace(adapted, stage="cpt", evaluated_as="cpt")) == ["base", "cpt"]


def test_bits_per_byte_have_their_error_or_a_dash_where_none_was_measured(adapted) -> None:
    assert evaluation.bits_table(adapted).splitlines()[2:] == [
        "| en-Latn | 12 | 2.000 ± 0.061 | 2.100 ± 0.061 | 2.200 ± 0.061 |",
        f"| hi-Deva | 17 | 2.912 ± {DASH} | 1.874 ± {DASH} | 1.902 ± {DASH} |",
    ]


def test_tasks_and_groups_have_theirs(adapted) -> None:
    row = f"| indiccopa | hi-Deva | acc | 0 | 200 | 0.250 ± 0.030 | 0.410 ± 0.035 | 0.405 ± {DASH} |"
    assert evaluation.tasks_table(adapted).splitlines()[2] == row
    assert evaluation.groups_table(adapted).splitlines()[2] == (
        f"| hindi_base | indiccopa | acc | {DASH} | {DASH} | 0.405 ± 0.035 |"
    )


def test_scores_out_of_a_hundred_have_one_decimal() -> None:
    assert [evaluation.digits_of(each) for each in ("chrf++", "bleu", "rougeL_default", "acc_norm", "f1")] == [
        *(1, 1, 1, 3, 3)
    ]


def test_a_signature_stands_beside_its_task(adapted) -> None:
    assert evaluation.signatures(adapted) == []
    task = {**adapted.evaluation["tasks"]["indiccopa"], "signature": "nrefs:1|case:mixed"}
    signed = replace(adapted, evaluation={**adapted.evaluation, "tasks": {"summary": task}})
    assert evaluation.signatures(signed) == ["summary: nrefs:1|case:mixed"]


def test_the_metadata_hold_this_models_figures_and_no_others(adapted) -> None:
    found = [(each.dataset_type, each.dataset_config, each.metric_type, each.metric_value, each.metric_args)
             for each in evaluation.results(adapted)]  # fmt: skip
    assert found == [
        ("held-out-documents", "en-Latn", "bits_per_byte", 2.2, {"standard_error": 0.061}),
        ("held-out-documents", "hi-Deva", "bits_per_byte", 1.902, None),
        ("indiccopa", None, "acc", 0.405, None),
    ]


@pytest.mark.parametrize("change", [{"evaluation": None}, {}])
def test_a_model_that_was_not_evaluated_has_no_figures(change, adapted) -> None:
    other = replace(adapted, evaluated_as=None, **change)
    assert (evaluation.results(other), evaluation.bits_table(other), evaluation.tasks_table(other)) == ([], "", "")
    assert evaluation.languages_measured(other) == set()


JUDGE = {"judge": {"model": "m-70b"}, "kind": "reference"}


def test_grades_are_shown_with_how_many_were_valid(adapted) -> None:
    axes = {"Overall": {"mean": 3.4567, "standard_error": 0.12}}
    graded = {
        **JUDGE,
        "models": {"dpo": {"items": 40, "valid": 38, "invalid": {"bad_json": 2}, "unanswered": {}, "axes": axes}},
    }
    text, rows = findings.judgements(replace(adapted, judged={"judge": graded}))
    assert text.startswith("Judged by `m-70b` (reference), 38 of 40 answers graded; in no mean: bad_json 2;")
    assert rows.splitlines()[2] == "| Overall | 3.46 ± 0.12 |"


def test_judged_pairs_name_both_models(adapted) -> None:
    pairs = {
        "items": 50,
        "valid": 49,
        "invalid": {},
        "unanswered": {"timeout": 1},
        "win_share": {"value": 0.61, "standard_error": 0.05},
    }
    judged = {**JUDGE, "kind": "pairs", "models": ["dpo", "cpt"], "pairs": pairs}
    (line,) = findings.judgements(replace(adapted, judged={"judge_pairs": judged}))
    assert (
        "dpo wins 0.610 ± 0.050 of its pairs against cpt (ties count half; 49 of 50 pairs valid; in no mean: timeout 1)"
        in line
    )


def test_judgements_of_other_models_are_left_out(adapted) -> None:
    pairs = {**JUDGE, "models": ["a", "b"], "pairs": {"items": 1, "valid": 1, "win_share": {"value": 1}}}
    other = {"judge": {**JUDGE, "models": {"cpt": {}}}, "judge_pairs": pairs}
    assert findings.judgements(replace(adapted, judged=other)) == []


def test_scores_stand_beside_those_on_items_the_training_text_does_not_hold(adapted) -> None:
    parts = {
        "metric": "acc",
        "all": {"value": 0.405, "standard_error": 0.035},
        "clean": {"value": 0.4, "standard_error": None},
    }
    found = {
        "ngram": 13,
        "sets": {"indiccopa": {"items": 200, "too_short": 9, "touched": 4, "share": 0.02}},
        "scores": {"indiccopa": {"dpo": parts}},
    }
    text, rows = findings.contamination(replace(adapted, contamination=found))
    assert "share 13 words in a row" in text
    assert rows.splitlines()[2] == f"| indiccopa | 200 | 9 | 4 | 2.0 % | 0.405 ± 0.035 | 0.400 ± {DASH} |"
    assert findings.contamination(adapted) == []
