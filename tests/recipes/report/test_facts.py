"""What report.json says about a run's folder: nothing but what its files say, and null where a stage has not run."""

import json
import math
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from data_prep.errors import DataError
from recipes.convert.verb import Certificate
from recipes.evaluate.bits_per_byte import Scored, tally
from recipes.evaluate.generation import Prompt
from recipes.evaluate.judge.asking import Outcome
from recipes.evaluate.judge.prompts import AXES
from recipes.evaluate.judge.results import graded
from recipes.evaluate.verb import samples
from recipes.report import facts, paper

KEYS = [
    "corpus",
    "fertility",
    "blend",
    "base",
    "cpt",
    "sft",
    "dpo",
    "bits_per_byte",
    "tasks",
    "contamination",
    "judgements",
    "parity",
    "cards",
    "ground",
    "versions",
    "seconds",
]


def report(folder: Path) -> dict:
    return json.loads(facts.collect(folder).report.to_json())


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_top_level_keys_are_those_of_the_contract(demo):
    assert list(report(demo)) == KEYS


def test_corpus_adds_up_the_token_receipts_of_both_splits_by_language_and_kind(demo):
    corpus = report(demo)["corpus"]
    assert {name: corpus[name] for name in ("documents", "characters", "tokens")} == {
        "documents": 435,
        "characters": 359_182,
        "tokens": 112_434,
    }
    assert corpus["by"]["hi-Deva"] == {
        "real": {"documents": 131, "characters": 106_487, "tokens": 33_405},
        "translated": {"documents": 44, "characters": 24_156, "tokens": 7_657},
    }
    assert corpus["train"]["by"]["hi-Latn"]["romanized"]["tokens"] == 36_880
    assert corpus["heldout"]["tokens"] == 3_190 + 2_981 + 3_907 + 655


def test_corpus_counts_what_was_left_out_by_reason(demo):
    assert report(demo)["corpus"]["dropped"] == {"empty": 3}


def test_two_sources_of_one_language_and_kind_are_added(demo):
    tokens = demo / "data" / "tokens" / "train"
    first = tokens / "sample.en-Latn.real_text_document.receipt.json"
    shutil.copy(first, tokens / "other.en-Latn.real_text_document.receipt.json")
    assert report(demo)["corpus"]["train"]["by"]["en-Latn"]["real"]["documents"] == 2 * 117


def test_blend_tells_what_is_there_and_what_is_drawn(demo):
    blend = report(demo)["blend"]
    english = blend["cpt"]["datasets"][0]
    assert english["prefix"] == "/runs/demo/data/tokens/train/sample.en-Latn.real_text_document"
    assert (english["lang"], english["kind"], english["weight"]) == ("en-Latn", "real", 0.5)
    assert (english["tokens"], english["tokens_drawn"]) == (27_604, 409_600)
    assert english["epochs"] == pytest.approx(409_600 / 27_604)
    assert {row["kind"] for row in blend["base"]["datasets"]} == {"real"}
    assert blend["base"]["left_out"][0]["why"] == "kind romanized is not in `kinds`"


def test_a_run_has_its_layout_steps_losses_and_seconds(demo):
    cpt = report(demo)["cpt"]
    assert cpt["layout"] == {"tensor": 2, "pipeline": 1, "data": 1}
    assert (cpt["steps"], cpt["first_loss"], cpt["last_loss"]) == (200, 6.127, 4.058)
    assert (cpt["seconds"], cpt["status"]) == (167.2, "done")
    assert cpt["validation_loss"]["last"] == pytest.approx(4.058 + 0.12)


def test_dpo_has_reward_margin_and_accuracy(demo):
    dpo = report(demo)["dpo"]
    assert dpo["reward_margin"] == {"first": 0.0, "last": 4.25}
    assert dpo["accuracy"] == {"first": 0.0, "last": 0.875}
    assert dpo["validation_reward_margin"]["last"] == 4.25
    assert dpo["logps_chosen_mean"]["last"] == -40.5
    assert dpo["validation_logps_rejected_mean"]["last"] == -61.25
    assert dpo["objective"]["ref_policy_kl_penalty"] == 0.2


def test_validation_is_placed_after_the_steps_it_saw(demo):
    """NeMo numbers the line of the 100th step 99, NeMo-Aligner validates under the number 20 after 20 steps."""
    curves = facts.collect(demo).curves
    assert [step for step, _ in curves["base"]["validation loss"]] == [100, 200, 300]
    assert [step for step, _ in curves["sft"]["validation loss"]] == [20, 40, 60]
    assert curves["sft"]["loss"][0][0] == 1


def test_the_monitors_curves_are_the_languages_from_before_the_first_step(demo):
    curves = facts.collect(demo).curves["cpt"]
    assert {name: curve for name, curve in curves.items() if name.startswith("change ")} == {
        "change en-Latn": [(0, 0.0), (100, 2.5), (200, 4.0)],
        "change hi-Deva": [(0, 0.0), (100, -20.0), (200, -36.0)],
    }


def test_bits_per_byte_come_with_errors_and_what_was_read(demo):
    hindi = report(demo)["bits_per_byte"]["hi-Deva"]
    assert (hindi["base"], hindi["cpt"], hindi["dpo"]) == (2.912, 1.874, 1.902)
    assert hindi["standard_error"]["cpt"] == 0.044
    assert (hindi["documents"], hindi["bytes"]) == (17, 31_428)


def test_parity_is_that_of_the_last_model_converted(demo):
    shutil.rmtree(demo / "hf" / "dpo")
    parity = report(demo)["parity"]
    assert (parity["max_abs_logit_diff"], parity["positions"], parity["model"]) == (1.19e-5, 1024, "cpt")
    assert list(parity["models"]) == ["base", "cpt"]


def test_ground_and_versions_are_those_the_last_run_recorded(demo):
    facts_ = report(demo)
    assert facts_["ground"] == "portable"
    assert facts_["versions"]["megatron-core"] == "0.10.0"
    assert facts.collect(demo).missing_parts == ("ngc_image", "cuda", "apex", "transformer_engine")


def test_seconds_are_the_wall_times_the_demo_noted(demo):
    seconds = report(demo)["seconds"]
    assert seconds["total"] == 567.0
    assert list(seconds["by_stage"])[:4] == ["prep", "blend base", "blend cpt", "base"]
    assert seconds["by_stage"]["cpt"] == 180.4


def test_without_the_demo_seconds_come_from_receipts_and_records(demo):
    (demo / "steps.json").unlink()
    seconds = report(demo)["seconds"]
    stages = {"ingest": 1.5, "romanize": 0.5, "tokenize": 2.0, "base": 142.5, "cpt": 167.2, "sft": 71.4, "dpo": 64.9}
    converts = {"convert base": 9.5, "convert cpt": 9.5, "convert dpo": 9.5}
    assert seconds["by_stage"] == {**stages, **converts, "evaluate": 18.2}
    assert seconds["total"] == pytest.approx(sum(seconds["by_stage"].values()), abs=0.05)


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        ("data", ["corpus"]),
        ("blend", ["blend"]),
        ("cpt", ["cpt"]),
        ("dpo", ["dpo"]),
        ("evaluation.json", ["bits_per_byte", "tasks"]),
        ("contamination.json", ["contamination"]),
        ("judge.json", ["judgements"]),
        ("hf", ["parity"]),
    ],
)
def test_a_stage_that_has_not_run_is_null_and_all_others_stay(demo, part, keys):
    path = demo / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    missing = [key for key, value in report(demo).items() if value is None]
    assert missing == keys


def test_an_empty_folder_has_no_facts(tmp_path):
    empty = facts.collect(tmp_path).report
    assert empty.is_empty
    assert empty.seconds == {"total": 0, "by_stage": {}}
    assert empty.ground is None


def test_a_killed_run_has_its_steps_from_the_metrics(demo):
    record = demo / "cpt" / "record" / "run.json"
    rewrite(record, status="running", steps=0, first_loss=None, last_loss=None, seconds=0.0)
    cpt = report(demo)["cpt"]
    assert (cpt["status"], cpt["steps"], cpt["last_loss"], cpt["seconds"]) == ("running", 200, 4.058, None)


def test_a_run_that_has_logged_nothing_yet_invents_nothing(demo):
    rewrite(demo / "dpo" / "record" / "run.json", status="running", steps=0, first_loss=None, last_loss=None)
    (demo / "dpo" / "record" / "metrics.jsonl").unlink()
    dpo = report(demo)["dpo"]
    assert (dpo["first_loss"], dpo["reward_margin"], dpo["accuracy"]) == (None, None, None)


def test_losses_that_are_not_finite_are_counted_and_null(demo):
    with (demo / "cpt" / "record" / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 200, "reduced_train_loss": NaN}\n')
    assert math.isnan(facts.collect(demo).report.cpt["last_loss"])
    cpt = report(demo)["cpt"]
    assert (cpt["last_loss"], cpt["steps_not_finite"]) == (None, 1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("evaluation.json", "{", "cannot be read"),
        ("evaluation.json", "[]", "it holds no JSON object"),
        ("evaluation.json", '{"bits_per_byte": {}}', "it lacks standard_error, difference"),
        ("blend/cpt.json", "{}", "it lacks train, left_out"),
        ("hf/dpo/parity.json", "{}", "it lacks max_abs_logit_diff, positions"),
        ("cpt/record/run.json", '{"stage": "cpt"}', "missing"),
        ("cpt/record/run.json", "", "cannot be read"),
        ("data/tokens/train/sample.hi-Deva.real_text_document.receipt.json", "{}", "this receipt cannot be read"),
    ],
)
def test_a_damaged_file_is_named(demo, name, text, message):
    (demo / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        facts.collect(demo)
    assert caught.value.where.endswith(name)
    assert "again" in caught.value.fix


def test_the_files_read_here_are_those_the_other_verbs_write(demo):
    written = json.loads((demo / "evaluation.json").read_text())
    scored = [Scored(lang="hi-Deva", kind="real", size=9, bits={"base": 20.0})] * 2
    figures = tally(scored, samples=2, seed=0)
    assert set(figures) == {
        "bits_per_byte",
        "standard_error",
        "difference",
        "by_kind",
        "standard_error_by_kind",
        "documents",
        "bytes",
    }
    assert all(type(figures[name]["hi-Deva"]) is type(written[name]["hi-Deva"]) for name in figures)
    (sample,) = samples([Prompt(lang="hi-Deva", text="text")], {"base": ["answer"]})
    assert set(sample) == set(written["generations"][0])
    assert set(facts.PROVED) <= {field.name for field in fields(Certificate)}


def test_tasks_have_scores_in_points_and_differences_from_the_first_model(demo):
    tasks = report(demo)["tasks"]
    assert tasks["models"] == ["base", "cpt", "dpo"]
    assert tasks["tasks"]["mmlu_hi_letter"]["scores"]["cpt"] == {"value": 50.0, "standard_error": 2.0}
    assert [(found["baseline"], found["model"]) for found in tasks["comparisons"]] == [("base", "cpt"), ("base", "dpo")]
    cpt = tasks["comparisons"][0]
    assert (cpt["tasks"]["mmlu_hi_letter"]["gained"], cpt["tasks"]["mmlu_hi_letter"]["lost"]) == (18, 3)
    assert cpt["tasks"]["boolq"]["delta"] == 0
    assert cpt["groups"]["english_retention"]["tasks"] == 2
    assert cpt["refused"] == {}


def test_the_ids_of_touched_items_stay_in_their_own_file(demo):
    contamination = report(demo)["contamination"]
    assert contamination["sets"]["mmlu_hi_letter"]["touched"] == 3
    assert "touched_items" not in contamination["sets"]["mmlu_hi_letter"]


def test_the_files_of_contamination_and_judges_have_the_keys_their_verbs_write(demo):
    (judged,) = report(demo)["judgements"].values()
    outcome = Outcome(value=dict.fromkeys(AXES, 3.0))
    written = graded({"base": {"a": outcome, "b": outcome}}, samples=10, seed=0)
    assert set(judged["models"]["base"]) == set(written["models"]["base"])
    assert set(judged["models"]["base"]["axes"]["Overall"]) == set(written["models"]["base"]["axes"]["Overall"])


def test_the_paper_s_figures_are_marked_and_lie_beside_tasks_of_their_benchmark():
    assert "transcribed" in paper.reference()["mark"]
    assert paper.figures_of("mmlu_hi_letter")["cpt"] == 49.89
    assert paper.figures_of("hellaswag")["base"] == 75.0
    assert paper.figures_of("unknown") is None
