"""What the evaluation itself writes is read back: ids that repeat, groups that count as one task, real logs."""

import json

import pytest

from recipes import cli
from recipes.evaluate.item_logs import distinct, points, read_evaluation, unit_of
from recipes.evaluate.results import group_figures
from tests.data_prep.decontaminate.disguises import DISGUISES
from tests.recipes.evaluate.item_log_files import items_of, task, write_log
from tests.recipes.evaluate.test_contamination import write_documents


def test_items_that_a_benchmark_holds_twice_stay_two():
    assert list(distinct(["a", "b", "a", "a"])) == ["a", "b", "a#2", "a#3"]


def test_a_task_counts_as_the_outermost_of_its_groups_that_weights_by_items():
    assert unit_of(["english_retention", "mmlu", "mmlu_stem"], {"mmlu", "mmlu_stem"}, "mmlu_physics") == "mmlu"
    assert unit_of(["hindi_base"], {"mmlu"}, "boolq_hi") == "boolq_hi"


def test_metrics_have_their_scale():
    assert [points(metric) for metric in ("acc", "f1", "chrf++", "rougeL")] == [100, 100, 1, 1]


@pytest.fixture
def mmlu(tmp_path):
    """Two subjects of 10 and 30 items, weighted by items, beside a task of its own; what `results` makes of them."""
    right = {
        "physics": {"base": [1] * 5 + [0] * 5, "cpt": [1] * 10},
        "law": {"base": [0] * 30, "cpt": [1] * 3 + [0] * 27},
    }
    tasks = {}
    for name, answers in {**right, "boolq": {"base": [1] * 8, "cpt": [0] * 8}}.items():
        scores = {model: sum(got) / len(got) for model, got in answers.items()}
        groups = ["retention"] if name == "boolq" else ["retention", "mmlu"]
        tasks[name] = task("en-Latn", len(answers["base"]), scores, groups=groups)
        for model, got in answers.items():
            write_log(tmp_path / "items" / model / f"{name}.jsonl", items_of(got))
    path = tmp_path / "evaluation.json"
    groups = group_figures(tasks, {"retention": {}, "mmlu": {"acc": True}})
    path.write_text(json.dumps({"tasks": tasks, "groups": groups, "items_folder": "items"}))
    return path


def test_a_group_weighted_by_items_is_read_as_one_task_with_all_items(mmlu):
    evaluation = read_evaluation(mmlu)
    assert list(evaluation.tasks) == ["mmlu", "boolq"]
    assert evaluation.tasks["mmlu"]["items"] == 40
    assert evaluation.groups == {"retention": ["mmlu", "boolq"]}
    log = evaluation.log("cpt", "mmlu")
    assert len(log) == 40
    assert {"physics/item-0", "law/item-29"} <= log.keys()


def test_subjects_are_compared_as_one_and_count_once_in_the_mean_of_their_group(mmlu, tmp_path):
    assert cli.main(["evaluate", "compare", f"evaluation={mmlu}", f"output={tmp_path / 'c.json'}"]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert list(found["tasks"]) == ["mmlu", "boolq"]
    assert (found["tasks"]["mmlu"]["gained"], found["tasks"]["mmlu"]["lost"]) == (8, 0)
    assert found["tasks"]["mmlu"]["delta"] == pytest.approx(8 / 40)
    assert found["groups"]["retention"]["delta"] == pytest.approx((20 - 100) / 2)


@pytest.fixture(scope="module")
def evaluated(models, tmp_path_factory):
    """An evaluation of two models on our own tasks and on headlines, by the real harness."""
    root = tmp_path_factory.mktemp("evaluated")
    headlines = [{"id": n, "input": f"लेख {n}", "target": f"राम के घर में {n} किताबें ।"} for n in range(3)]
    write_log(root / "data" / "indic_headline_hi" / "test.jsonl", headlines)
    words = [f"models.{name}={folder}" for name, folder in models.items()]
    words += ["tasks=[sample,indic_headline_hi]", "limit=15", "seq_length=64", "chat=false", "bootstrap_samples=100"]
    assert cli.main(["evaluate", *words, f"data_dir={root / 'data'}", f"output={root / 'evaluation.json'}"]) == 0
    return root / "evaluation.json"


def test_the_logs_of_the_harness_are_compared(evaluated, tmp_path):
    assert cli.main(["evaluate", "compare", f"evaluation={evaluated}", f"output={tmp_path / 'c.json'}"]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    stated = json.loads(evaluated.read_text())["tasks"]
    assert set(found["tasks"]) == {"sample_cloze_hi", "sample_cloze_en", "indic_headline_hi"}
    for name, compared in found["tasks"].items():
        scores = [score[stated[name]["headline"]]["value"] for score in stated[name]["scores"].values()]
        assert [compared["baseline"], compared["model"]] == pytest.approx(scores, abs=1e-6)
        is_text = name == "indic_headline_hi"
        assert (compared["metric"], compared["items"]) == (("chrf++", 3) if is_text else ("acc_norm", 15))
        assert compared["test"] == ("paired bootstrap" if is_text else "exact McNemar")
    assert found["groups"]["sample"]["tasks"] == 2


def test_the_items_of_tasks_are_looked_for_and_scores_split_by_their_logs(evaluated, tmp_path):
    """The third Hindi item is planted in a disguise; no other text is of the set."""
    from recipes.evaluate.registry import OURS

    lines = (OURS / "sample_cloze_hi" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    item = json.loads(lines[2])
    question = " ".join(value for value in item.values() if isinstance(value, str))
    write_documents(tmp_path / "documents", "web.hi-Deva.real", {"doc": DISGUISES["pipe"](question)})
    words = [f"documents={tmp_path / 'documents'}", f"output={evaluated}", "min_words=4", "ngram=4"]
    assert cli.main(["evaluate", "contamination", *words, "tasks=[sample]"]) == 0
    report = json.loads(evaluated.with_name("contamination.json").read_text())
    hindi, english = report["sets"]["sample_cloze_hi"], report["sets"]["sample_cloze_en"]
    assert (hindi["items"], english["touched"]) == (len(lines), 0)
    assert hindi["touched"] >= 1
    assert hindi["by"] == {"web": {"real": {"documents": 1, "items": hindi["touched"]}}}
    base = report["scores"]["sample_cloze_hi"]["base"]
    assert base["all"]["items"] == 15
    assert base["touched"]["items"] >= 1
    assert base["clean"]["items"] + base["touched"]["items"] == 15


def test_a_dry_run_counts_the_tasks(tmp_path, capsys):
    write_documents(tmp_path / "documents", "web.hi-Deva.real", {"doc": "text"})
    words = [f"documents={tmp_path / 'documents'}", f"output={tmp_path / 'e.json'}", "tasks=[sample]", "--dry-run"]
    assert cli.main(["evaluate", "contamination", *words]) == 0
    assert "1 training shards, 0 files and 2 tasks; nothing was read" in capsys.readouterr().out
