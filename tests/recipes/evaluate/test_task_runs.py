"""Real tiny models on every task of ours: figures, item logs, what is run again and what is not."""

import json
import shutil

import pytest

from data_prep.errors import LangadaptError, UsageError
from data_prep.layout import REPOSITORY_ROOT
from recipes import evaluate
from tests.recipes.evaluate import task_items
from tests.recipes.evaluate.test_shipped_tasks import TASKS

OURS = [name for name in TASKS if not name.startswith("sample")]
FEW = ["seq_length=512", "bootstrap_samples=20", "batch_size=16", "chat=false", "dtype=float32"]
HINDI = REPOSITORY_ROOT / "nemo_configs" / "eval" / "hindi.yaml"
INSTRUCT = REPOSITORY_ROOT / "nemo_configs" / "eval" / "instruct.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return task_items.write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(long_models, data):
    def run(output, tasks, *overrides, config=HINDI, names=("base", "cpt")):
        folders = [f"models.{name}={long_models[name]}" for name in names]
        given = [*folders, f"output={output}", f"data_dir={data}", f"tasks=[{','.join(tasks)}]"]
        return evaluate.main([config], [*given, *FEW, *overrides], dry_run=False)

    return run


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """All tasks on both models."""
    output = tmp_path_factory.mktemp("whole") / "evaluation.json"
    assert run(output, [*OURS, "hindi_base"]) == 0
    return output


@pytest.fixture(scope="module")
def result(whole):
    return json.loads(whole.read_text())


@pytest.fixture(scope="module")
def log(whole):
    def log(model, task):
        text = (whole.parent / "evaluation_items" / model / f"{task}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    return log


@pytest.mark.parametrize("name", OURS)
def test_every_task_has_figures_of_both_models_and_a_log_of_each_item(name, result, log):
    task = result["tasks"][name]
    assert set(task["scores"]) == {"base", "cpt"}
    for model, scores in task["scores"].items():
        lines = log(model, name)
        assert len(lines) == task["items"] >= 2
        assert 0 <= scores[task["headline"]]["value"] <= (100 if task["headline"] == "chrf++" else 1)
        question = {"question"} if task["scoring"] == "generation" else set()
        assert all(
            set(line) == {"id", "index", "prompt_hash", "target", "prediction", "metrics"} | question for line in lines
        )
        assert all(task["headline"] in line["metrics"] for line in lines)
    assert [line["id"] for line in log("base", name)] == [line["id"] for line in log("cpt", name)]
    assert (task["signature"] is None) == (task["headline"] != "chrf++")


@pytest.mark.parametrize("name", [name for name in OURS if "acc" in name or name.endswith("_letter")])
def test_accuracies_are_the_means_of_their_logs(name, result, log):
    for model, scores in result["tasks"][name]["scores"].items():
        lines = log(model, name)
        right = [line["prediction"] == line["target"] for line in lines]
        assert scores["acc"]["value"] == pytest.approx(sum(right) / len(right), abs=1e-6)
        assert [line["metrics"]["acc"] for line in lines] == right


def test_a_group_is_the_mean_of_its_tasks_where_its_file_asks_for_one(result):
    group = result["groups"]["hindi_base_letter"]
    values = [result["tasks"][name]["scores"]["cpt"]["acc"]["value"] for name in group["tasks"]]
    assert len(values) == 9
    assert group["scores"]["cpt"]["acc"]["value"] == pytest.approx(sum(values) / 9, abs=1e-5)
    assert result["groups"]["hindi_base"]["scores"] == {"base": {}, "cpt": {}}
    assert set(result["groups"]["hindi_base"]["tasks"]) > set(group["tasks"])


def test_the_output_says_how_it_came_about(result):
    assert result["chat"] == {"base": False, "cpt": False}
    assert result["items_folder"] == "evaluation_items"
    assert set(result["versions"]) == {"langadapt", "torch", "transformers", "tokenizers", "lm_eval", "datasets"}
    assert "bits_per_byte" not in result, "no documents, no bits per byte"
    assert result["tasks"]["indic_headline_hi"]["signature"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:2")
    assert result["tasks"]["indic_headline_hi"]["truncated"] == {"base": 0, "cpt": 0}


def test_tasks_of_the_harness_run_on_local_items_too(run, tmp_path):
    run(tmp_path / "e.json", task_items.UPSTREAM, names=("base",))
    tasks = json.loads((tmp_path / "e.json").read_text())["tasks"]
    assert {name: task["headline"] for name, task in tasks.items()} == {
        "hellaswag": "acc_norm",
        "boolq": "acc",
        "arc_easy": "acc_norm",
        "arc_challenge": "acc_norm",
        "mmlu_anatomy": "acc",
        "belebele_hin_Latn": "acc_norm",
        "global_piqa_parallel_cloze_hin_latn": "acc_norm",
        "global_piqa_nonparallel_cloze_hin_latn": "acc_norm",
    }
    assert [tasks[name]["scoring"] for name in ("mmlu_anatomy", "belebele_hin_Latn", "boolq")] == [
        "letter",
        "letter",
        "continuation",
    ]
    assert all(task["items"] == 1 for task in tasks.values())


def test_their_examples_come_from_another_split_or_not_at_all(run, tmp_path):
    run(tmp_path / "e.json", ["hellaswag", "boolq", "arc_challenge", "mmlu_anatomy"], "num_fewshot=1", names=("base",))
    assert {task["num_fewshot"] for task in json.loads((tmp_path / "e.json").read_text())["tasks"].values()} == {1}
    with pytest.raises(UsageError, match="boolq has 1 worked examples to give in its train split"):
        run(tmp_path / "f.json", ["boolq"], "num_fewshot=2")
    with pytest.raises(UsageError, match="belebele_hin_Latn has no worked examples but those of its test split"):
        run(tmp_path / "f.json", ["belebele_hin_Latn"], "num_fewshot=1")


def test_prompts_longer_than_the_model_reads_are_counted(run, tmp_path, capsys):
    run(tmp_path / "e.json", ["boolq_hi", "indic_headline_hi"], "seq_length=64", names=("base",))
    tasks = json.loads((tmp_path / "e.json").read_text())["tasks"]
    assert tasks["indic_headline_hi"]["truncated"] == {"base": 2}
    assert tasks["boolq_hi"]["truncated"] == {"base": 0}
    assert "2 items, 2 prompts longer than the model reads" in capsys.readouterr().out


def test_a_killed_evaluation_goes_on_after_its_last_whole_task(run, whole, tmp_path, capsys):
    output = tmp_path / "evaluation.json"
    kept = shutil.copytree(whole.parent / "evaluation_items", tmp_path / "evaluation_items")
    (kept / "cpt" / "boolq_hi.json").unlink()
    torn = kept / "base" / "arc_easy_hi.jsonl"
    torn.write_bytes(torn.read_bytes()[:-20])
    times = {path: path.stat().st_mtime_ns for path in kept.rglob("*.jsonl")}
    assert run(output, [*OURS, "hindi_base"]) == 0
    again = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert again == {kept / "cpt" / "boolq_hi.jsonl", torn}
    before, after = json.loads(whole.read_text()), json.loads(output.read_text())
    assert before["tasks"] == after["tasks"]
    capsys.readouterr()
    run(output, [*OURS, "hindi_base"])
    assert "done already" in capsys.readouterr().out


def test_changed_items_or_settings_are_run_again_alone(run, data, tmp_path, capsys):
    output = tmp_path / "evaluation.json"
    changed = shutil.copytree(data, tmp_path / "data")
    chosen = ["indic_copa_hi", "boolq_hi"]
    run(output, chosen, f"data_dir={changed}", names=("base",))
    times = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*_items/base/*.jsonl")}
    path = changed / "indic_copa_hi" / "test.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    run(output, chosen, f"data_dir={changed}", names=("base",))
    after = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*_items/base/*.jsonl")}
    assert after["boolq_hi"] == times["boolq_hi"]
    assert after["indic_copa_hi"] != times["indic_copa_hi"]
    assert json.loads(output.read_text())["tasks"]["indic_copa_hi"]["items"] == 2
    assert "indic_copa_hi: acc_norm" in capsys.readouterr().out


def test_the_same_examples_stand_before_an_item_for_every_model(run, tmp_path):
    run(tmp_path / "e.json", ["mmlu_hi", "indic_xnli_hi"], "num_fewshot=1")
    for task in ("mmlu_hi", "indic_xnli_hi"):
        logs = [(tmp_path / "e_items" / model / f"{task}.jsonl").read_text() for model in ("base", "cpt")]
        hashes = [[json.loads(line)["prompt_hash"] for line in text.splitlines()] for text in logs]
        assert hashes[0] == hashes[1]
    assert json.loads((tmp_path / "e.json").read_text())["tasks"]["mmlu_hi"]["num_fewshot"] == 1


def test_chat_changes_the_prompts_and_is_recorded(run, tmp_path):
    prompts = {}
    for chat in ("auto", "false"):
        output = tmp_path / f"{chat}.json"
        run(output, ["indic_copa_hi_letter"], f"chat={chat}", "limit=1", config=INSTRUCT, names=("base",))
        assert json.loads(output.read_text())["chat"] == {"base": chat == "auto"}
        assert json.loads(output.read_text())["limit"] == 1
        line = (tmp_path / f"{chat}_items" / "base" / "indic_copa_hi_letter.jsonl").read_text()
        prompts[chat] = json.loads(line)["prompt_hash"]
    assert prompts["auto"] != prompts["false"]


def test_chat_for_a_model_without_a_template_is_refused(run, long_models, tmp_path):
    bare = shutil.copytree(long_models["base"], tmp_path / "bare")
    settings = json.loads((bare / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (bare / "tokenizer_config.json").write_text(json.dumps(settings))
    (bare / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="has no chat template") as raised:
        run(tmp_path / "e.json", ["indic_copa_hi"], f"models.base={bare}", "chat=true", names=("base",))
    assert raised.value.where == "models.base"


def test_weights_may_be_bfloat16_and_the_output_says_so(run, tmp_path):
    run(tmp_path / "e.json", ["indic_copa_hi"], "dtype=bfloat16", names=("base",))
    result = json.loads((tmp_path / "e.json").read_text())
    assert result["dtype"] == "bfloat16"
    assert result["tasks"]["indic_copa_hi"]["items"] == 3


def test_one_model_needs_no_name(long_models, tmp_path, data):
    given = [
        f"model={long_models['base']}",
        f"output={tmp_path / 'e.json'}",
        "tasks=[boolq_hi]",
        f"data_dir={data}",
        *FEW,
    ]
    assert evaluate.main([HINDI], given, dry_run=False) == 0
    assert list(json.loads((tmp_path / "e.json").read_text())["tasks"]["boolq_hi"]["scores"]) == ["model"]


def test_a_tokenizer_that_cannot_tell_letters_apart_is_refused(run, long_models, tmp_path):
    blind = shutil.copytree(long_models["base"], tmp_path / "blind")
    tokenizer = json.loads((blind / "tokenizer.json").read_text())
    rule = {"type": "Replace", "pattern": {"String": "B"}, "content": "A"}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [rule, *filter(None, [tokenizer["normalizer"]])]}
    (blind / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        LangadaptError, match="indic_copa_hi_letter: the choices 'A' and 'B' are the token ids"
    ) as raised:
        run(tmp_path / "e.json", ["indic_copa_hi_letter"], f"models.base={blind}", names=("base",))
    assert raised.value.where == "models.base"
    assert not (tmp_path / "e.json").exists()


@pytest.mark.parametrize(
    ("tasks", "overrides", "message", "fix"),
    [
        (["indic_quest_hi"], ["seq_length=256"], "indic_quest_hi writes up to 256 tokens", "seq_length=512"),
        (["indic_copa_hi"], ["num_fewshot=1"], "no worked examples but those of its test split", "num_fewshot=0"),
        (
            ["boolq_hi"],
            ["num_fewshot=3"],
            "has 1 worked examples to give in its train split, 3 are asked for",
            "num_fewshot=1",
        ),
        (["boolq_hi"], ["data_dir=/no/such/folder"], "boolq_hi has no items", "put the source's own records there"),
        (["boolq_hi"], ["limit=0"], "limit is 0, the least is 1", "limit=null"),
        (["boolq_hi"], ["num_fewshot=-1"], "num_fewshot is -1", "num_fewshot=null"),
        ([], ["documents=null"], "nothing to evaluate on", "tasks=[sample]"),
        (["boolq_hi"], ["models.model=/x", "model=/y"], "two models named 'model'", "another name"),
        (
            ["hellaswag", "english_retention"],
            ["data_dir=null"],
            "hellaswag is asked for twice",
            "leave out english_retention",
        ),
    ],
)
def test_mistakes_are_found_before_a_model_is_loaded(run, tmp_path, tasks, overrides, message, fix):
    with pytest.raises(UsageError, match=message) as raised:
        run(tmp_path / "e.json", tasks, *overrides)
    assert fix in raised.value.fix
    assert not list(tmp_path.iterdir())


def test_damaged_items_are_named(run, data, tmp_path):
    damaged = shutil.copytree(data, tmp_path / "data")
    (damaged / "boolq_hi" / "validation.jsonl").write_text('{"passage": "क"\n')
    with pytest.raises(UsageError, match="cannot read the data of boolq_hi") as raised:
        run(tmp_path / "e.json", ["boolq_hi"], f"data_dir={damaged}")
    assert raised.value.where == str(damaged / "boolq_hi")


@pytest.mark.parametrize(
    ("task", "where"), [("boolq_hi", "ai4bharat/boolq-hi"), ("indic_copa_hi", "ai4bharat/IndicCOPA")]
)
def test_a_hub_that_may_not_be_asked_is_named(run, tmp_path, monkeypatch, task, where):
    import datasets
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=f"cannot read the data of {task}") as raised:
        run(tmp_path / "e.json", [task], "data_dir=null")
    assert raised.value.where == where
    assert raised.value.fix.startswith("HF_HUB_OFFLINE forbids")
    assert f"FOLDER/{task}/SPLIT.jsonl" in raised.value.fix
