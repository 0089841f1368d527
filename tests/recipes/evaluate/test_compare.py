"""Two models on the same items: the figures are those worked out by hand, and unequal things are refused."""

import json

import pytest

from recipes import cli
from recipes.evaluate.differences import compare_groups, verdict
from recipes.evaluate.metrics import chrf
from tests.recipes.evaluate.item_log_files import items_of, task, write_evaluation, write_log

BASE = [0] * 30 + [1] * 10 + [1] * 40 + [0] * 20
BETTER = [1] * 30 + [0] * 10 + [1] * 40 + [0] * 20
"""30 gained, 10 lost: 0.5 becomes 0.7."""
SLIGHT = [1] * 1 + [0] * 29 + [1] * 10 + [1] * 40 + [0] * 20


def run(*words: str) -> int:
    return cli.main(["evaluate", "compare", *words])


def refuse(capsys, *words: str) -> str:
    """The message of a command that is refused."""
    assert run(*words) in (1, 2)
    return capsys.readouterr().err


@pytest.fixture
def evaluation(tmp_path):
    return write_evaluation(
        tmp_path / "evaluation.json",
        {"copa": {"base": BASE, "cpt": BETTER}, "boolq": {"base": BASE, "cpt": SLIGHT}, "solo": {"base": BASE}},
        langs={"boolq": "en-Latn"},
        groups={"both": ["copa", "boolq"], "more": ["copa", "solo"]},
    )


def test_a_gain_and_no_gain_written_out(evaluation, tmp_path, capsys):
    assert run(f"evaluation={evaluation}", f"output={tmp_path / 'compare.json'}") == 0
    found = json.loads((tmp_path / "compare.json").read_text())
    copa, boolq = found["tasks"]["copa"], found["tasks"]["boolq"]
    assert (copa["items"], copa["baseline"], copa["model"], copa["gained"], copa["lost"]) == (100, 0.5, 0.7, 30, 10)
    assert copa["delta"] == pytest.approx(0.2)
    assert copa["standard_error"] == pytest.approx(0.06, rel=0.03)
    assert copa["low"] == pytest.approx(0.08, abs=0.011)
    assert copa["high"] == pytest.approx(0.32, abs=0.011)
    assert copa["test"] == "exact McNemar"
    # 2 * P(at most 10 of 40 with a chance of one half)
    assert copa["p"] == pytest.approx(0.0022, abs=5e-5)
    assert copa["p_holm"] == pytest.approx(2 * copa["p"])
    assert copa["detectable"] == pytest.approx(2.8016 * (0.4 / 100) ** 0.5, rel=1e-4)
    assert copa["detectable_unpaired"] == pytest.approx(2.8016 * (0.0025 + 0.0021) ** 0.5, rel=1e-4)
    assert copa["verdict"] == "cpt is better"
    assert (boolq["p"], boolq["verdict"]) == (1.0, "no difference that 100 items could show")
    table = " ".join(capsys.readouterr().out.split())
    assert "copa" in table
    assert "+20.0" in table


def test_a_group_is_the_mean_of_its_tasks_when_all_were_compared(evaluation, tmp_path):
    run(f"evaluation={evaluation}", f"output={tmp_path / 'compare.json'}")
    groups = json.loads((tmp_path / "compare.json").read_text())["groups"]
    assert list(groups) == ["both"]
    assert groups["both"]["delta"] == pytest.approx((20 + 1) / 2)


def test_the_error_of_a_group_written_out():
    """3 and 4 points of error: 5 / 2; accuracies count in hundredths, chrF++ as it is."""
    found = {
        "acc": {"delta": 0.1, "standard_error": 0.03, "points": 100.0},
        "chrf": {"delta": -2.0, "standard_error": 4.0, "points": 1.0},
    }
    ((name, group),) = compare_groups({"g": ["acc", "chrf"]}, found)
    assert (name, group["delta"], group["standard_error"]) == ("g", pytest.approx(4.0), pytest.approx(2.5))
    assert group["low"] == pytest.approx(4.0 - 1.95996 * 2.5, abs=1e-4)
    assert group["high"] == pytest.approx(4.0 + 1.95996 * 2.5, abs=1e-4)


@pytest.mark.parametrize(
    ("delta", "p", "p_holm", "words"),
    [
        (0.2, 0.001, 0.01, "cpt is better"),
        (-0.2, 0.001, 0.01, "cpt is worse"),
        (0.2, 0.03, 0.3, "no difference that stands among 10 tasks"),
        (0.2, 0.3, 1.0, "no difference that 80 items could show"),
    ],
)
def test_verdicts_in_words(delta, p, p_holm, words):
    assert verdict({"delta": delta, "p": p, "items": 80, "standard_error": 0.1}, p_holm, "cpt", 10) == words


def test_a_model_that_gets_every_item_as_the_other_does_is_said_so():
    task = {"delta": 0.0, "p": 1.0, "items": 80, "standard_error": 0.0}
    assert verdict(task, 1.0, "cpt", 10) == "the same on each of 80 items"


def test_two_evaluations_are_paired_by_id_whatever_the_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = write_evaluation(tmp_path / "a" / "evaluation.json", {"copa": {"base": BASE}})
    other = write_evaluation(tmp_path / "b" / "evaluation.json", {"copa": {"base": BETTER}, "more": {"base": BASE}})
    write_log(tmp_path / "b" / "items" / "base" / "copa.jsonl", items_of(BETTER)[::-1])
    assert run(f"evaluation={one}", f"other={other}", f"output={tmp_path / 'compare.json'}") == 0
    found = json.loads((tmp_path / "compare.json").read_text())
    assert (found["tasks"]["copa"]["gained"], found["tasks"]["copa"]["lost"]) == (30, 10)
    assert found["not_compared"] == ["more"]


def test_chrf_is_compared_by_its_counts(tmp_path):
    """A corpus's chrF++ is no mean of its items': the delta is that of the two corpora."""
    targets = [f"राम ने {number} किताबें पढ़ीं और घर गया।" for number in range(12)]
    answers = {
        "base": [text.replace("किताबें", "नदी") if number % 2 else "कुछ और" for number, text in enumerate(targets)],
        "cpt": [text.replace("घर", "बाज़ार") for text in targets],
    }
    scores = {model: chrf(texts, targets).value for model, texts in answers.items()}
    path = write_evaluation(tmp_path / "evaluation.json", {})
    entry = task("hi-Deva", 12, scores, metric="chrf++", signature="s")
    path.write_text(json.dumps({"tasks": {"headline": entry}, "items_folder": "items"}), encoding="utf-8")
    for model, texts in answers.items():
        write_log(tmp_path / "items" / model / "headline.jsonl", items_of(texts, targets))
    assert run(f"evaluation={path}", "bootstrap_samples=500", f"output={tmp_path / 'compare.json'}") == 0
    found = json.loads((tmp_path / "compare.json").read_text())["tasks"]["headline"]
    assert found["delta"] == pytest.approx(scores["cpt"] - scores["base"])
    assert found["test"] == "paired bootstrap"
    assert found["p"] == pytest.approx(1 / 501)
    assert found["low"] < found["delta"] < found["high"]
    assert found["verdict"] == "cpt is better"


def test_a_dry_run_says_what_would_be_compared(evaluation, tmp_path, capsys):
    assert run(f"evaluation={evaluation}", f"output={tmp_path / 'compare.json'}", "--dry-run") == 0
    assert "cpt against base on copa, boolq; nothing was compared" in capsys.readouterr().out
    assert not (tmp_path / "compare.json").exists()


def test_items_that_differ_are_counted(evaluation, tmp_path, capsys):
    write_log(tmp_path / "items" / "cpt" / "copa.jsonl", items_of(BETTER)[5:])
    message = refuse(capsys, f"evaluation={evaluation}", "output=c.json")
    assert "the two logs hold different items: 95 pair, of 100 and 95" in message


def test_prompts_that_differ_are_counted(evaluation, tmp_path, capsys):
    lines = items_of(BETTER)
    lines[7]["prompt_hash"] = "with a chat template"
    write_log(tmp_path / "items" / "cpt" / "copa.jsonl", lines)
    message = refuse(capsys, f"evaluation={evaluation}", "output=c.json")
    assert "1 of 100 prompts differ, the first that of item item-7" in message
    assert "chat template" in message


def test_another_version_of_a_task_is_named(tmp_path, capsys):
    (tmp_path / "b").mkdir()
    one = write_evaluation(tmp_path / "a.json", {"copa": {"base": BASE}})
    other = write_evaluation(tmp_path / "b" / "b.json", {"copa": {"cpt": BETTER}}, version="2", num_fewshot=5)
    message = refuse(capsys, f"evaluation={one}", f"other={other}", "output=c.json")
    assert "version is 1 and 2; num_fewshot is 0 and 5" in message


def test_a_log_that_does_not_give_the_score_is_refused(evaluation, tmp_path, capsys):
    write_log(tmp_path / "items" / "cpt" / "copa.jsonl", items_of(BASE))
    assert "the items' acc is 0.5000, the evaluation says 0.7000" in refuse(
        capsys, f"evaluation={evaluation}", "output=c.json"
    )


def test_a_score_that_is_not_made_of_items_is_refused(tmp_path, capsys):
    path = write_evaluation(tmp_path / "e.json", {"copa": {"base": BASE, "cpt": BETTER}})
    path.write_text(path.read_text().replace('"acc"', '"macro_f1"'))
    message = refuse(capsys, f"evaluation={path}", "output=c.json")
    assert "an item has no value of macro_f1" in message
    assert "metrics there: acc" in message


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda path: path.unlink(), "cannot read this item log: [Errno 2]"),
        (lambda path: path.write_text("{"), "cannot read this item log: "),
        (lambda path: path.write_text('{"id": 1}\n'), "Expected `str`, got `int`"),
        (lambda path: path.write_text(""), "this item log is empty"),
    ],
)
def test_a_log_that_cannot_be_used_is_named(evaluation, tmp_path, capsys, break_it, words):
    path = tmp_path / "items" / "cpt" / "copa.jsonl"
    break_it(path)
    message = refuse(capsys, f"evaluation={evaluation}", "output=c.json")
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "this is no evaluation"),
        ("[]", "this is no evaluation"),
        ('{"bits_per_byte": {}}', "this evaluation has no tasks"),
    ],
)
def test_a_file_without_tasks_is_refused(tmp_path, capsys, content, words):
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    assert words in refuse(capsys, f"evaluation={path}", "output=c.json")


def test_an_evaluation_without_logs_is_refused(evaluation, capsys):
    evaluation.write_text(evaluation.read_text().replace('"items"}', "null}"))
    assert "this evaluation has no item logs" in refuse(capsys, f"evaluation={evaluation}", "output=c.json")


def test_a_model_must_be_named_where_several_could_be_meant(tmp_path, capsys):
    path = write_evaluation(tmp_path / "e.json", {"copa": {"base": BASE, "cpt": BETTER, "dpo": BETTER}})
    assert "baseline is not given, and several models could be meant" in refuse(
        capsys, f"evaluation={path}", "output=c.json"
    )
    message = refuse(capsys, f"evaluation={path}", "output=c.json", "baseline=base", "model=ctp")
    assert "no model 'ctp'" in message
    assert "model=NAME with one of: base, cpt, dpo" in message
    message = refuse(capsys, f"evaluation={path}", "output=c.json", "baseline=base", "model=base")
    assert "base is compared with itself" in message


def test_mistakes_of_usage(evaluation, tmp_path, capsys):
    assert "there is no such evaluation" in refuse(capsys, f"evaluation={tmp_path / 'no.json'}", "output=c.json")
    message = refuse(capsys, f"evaluation={evaluation}", "output=c.json", "tasks=[copa,coap]")
    assert "coap was not evaluated for both base and cpt" in message
    message = refuse(capsys, f"evaluation={evaluation}", "output=c.json", "bootstrap_samples=1")
    assert "bootstrap_samples is 1, the least is 2" in message
