"""The verb: one JSON, not computed twice, and every mistake found before a model is loaded."""

import json
import shutil

import pytest

from data_prep.errors import DataError, UsageError
from data_prep.layout import REPOSITORY_ROOT
from recipes import evaluate

TINY = REPOSITORY_ROOT / "nemo_configs" / "eval" / "tiny.yaml"


@pytest.fixture
def run(models, documents, tmp_path):
    def run(*overrides, dry_run=False):
        given = [f"models.{name}={folder}" for name, folder in models.items()]
        rest = [f"documents={documents}", f"output={tmp_path / 'out' / 'evaluation.json'}", "seq_length=64"]
        few = ["generate.max_new_tokens=4", "bootstrap_samples=20", "tasks=[]"]
        return evaluate.main([TINY], [*given, *rest, *few, *overrides], dry_run=dry_run)

    run.output = tmp_path / "out" / "evaluation.json"
    return run


def test_shipped_config_gives_the_figures_of_every_language_and_model(run, documents, capsys):
    assert run() == 0
    result = json.loads(run.output.read_text())
    assert set(result["bits_per_byte"]) == set(result["standard_error"]) == {"en-Latn", "hi-Deva"}
    assert result["documents"] == {"en-Latn": {"real": 6}, "hi-Deva": {"real": 6, "translated": 1}}
    for rates in result["bits_per_byte"].values():
        assert set(rates) == {"base", "cpt"}
        assert rates["base"] != rates["cpt"]
        assert all(1 < rate < 20 for rate in rates.values())
    hindi = result["by_kind"]["hi-Deva"]
    assert set(hindi) == {"real", "translated"}
    assert result["tokens"]["base"] == result["tokens"]["cpt"] > 500
    assert set(result["versions"]) == {"langadapt", "torch", "transformers", "tokenizers"}
    printed = capsys.readouterr().out
    assert "hi-Deva" in printed
    assert f"{result['bits_per_byte']['hi-Deva']['cpt']:.3f}" in printed
    found = result["difference"]["hi-Deva"]["base"]["cpt"]
    assert f"hi-Deva {found['delta']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})" in printed
    assert "cpt - base, paired, 95 % intervals: en-Latn" in printed


def test_documents_and_tasks_are_evaluated_together(run, capsys):
    assert run("tasks=[sample]", "limit=3", "generate.prompts=[]") == 0
    result = json.loads(run.output.read_text())
    assert set(result["bits_per_byte"]) == {"en-Latn", "hi-Deva"}
    assert {name: task["lang"] for name, task in result["tasks"].items()} == {
        "sample_cloze_hi": "hi-Deva",
        "sample_cloze_en": "en-Latn",
    }
    assert result["groups"]["sample"]["tasks"] == ["sample_cloze_hi", "sample_cloze_en"]
    printed = capsys.readouterr().out
    assert "tasks, higher is better (the first 3 items of each)" in printed
    score = result["tasks"]["sample_cloze_hi"]["scores"]["cpt"]["acc_norm"]
    assert f"{score['value']:.3f} ± {score['standard_error']:.3f}" in printed


def test_samples_are_given_by_prompt_with_the_answer_of_every_model(run):
    run()
    samples = json.loads(run.output.read_text())["generations"]
    assert [sample["kind"] for sample in samples] == ["text", "text", "text", "chat", "chat"]
    assert {sample["lang"] for sample in samples} == {"hi-Deva", "en-Latn", "hi-Latn"}
    for sample in samples:
        assert [answer["model"] for answer in sample["answers"]] == ["base", "cpt"]
        assert all(isinstance(answer["text"], str) for answer in sample["answers"])


def test_only_models_listed_under_generate_write_samples(run):
    run("generate.models=[cpt]")
    samples = json.loads(run.output.read_text())["generations"]
    assert {answer["model"] for sample in samples for answer in sample["answers"]} == {"cpt"}


def test_the_same_evaluation_is_not_run_twice(run, models, documents, tmp_path, capsys):
    run()
    before = run.output.read_bytes()
    capsys.readouterr()
    assert run() == 0
    assert "done already" in capsys.readouterr().out
    copied = shutil.copytree(models["cpt"], tmp_path / "elsewhere")
    assert run(f"models.cpt={copied}") == 0
    assert run.output.read_bytes() == before, "the same weights elsewhere are the same evaluation"
    assert run("seed=1") == 0
    assert run.output.read_bytes() != before


def test_changed_weights_are_noticed(run, models, tmp_path, capsys):
    copied = shutil.copytree(models["cpt"], tmp_path / "trained_on")
    run(f"models.cpt={copied}")
    shutil.copy(f"{models['base']}/model.safetensors", copied)
    capsys.readouterr()
    run(f"models.cpt={copied}")
    assert "done already" not in capsys.readouterr().out
    rates = json.loads(run.output.read_text())["bits_per_byte"]["hi-Deva"]
    assert rates["base"] == rates["cpt"]


def test_dry_run_loads_nothing(run, capsys):
    assert run(dry_run=True) == 0
    assert "on 3 held-out shards; nothing was run" in capsys.readouterr().out
    assert not run.output.exists()


@pytest.mark.parametrize(
    ("override", "message", "fix"),
    [
        ("models.cpt=/no/such/folder", "not a Hugging Face model folder", "langadapt convert to-hf"),
        ("seq_length=128", "seq_length=128, but base was trained on 64 tokens", "seq_length=64"),
        ("seq_length=1", "seq_length is 1, the least is 2", "seq_length=256"),
        ("documents=/no/such/folder", "this folder does not exist", "langadapt prep"),
        ("generate.models=[dpo]", "generate.models names dpo, models has base, cpt", "generate.models=null"),
        ("generate.max_tokens=9", "unknown key 'max_tokens'", "did you mean 'max_new_tokens'?"),
    ],
)
def test_mistakes_are_found_before_anything_is_loaded(run, override, message, fix):
    with pytest.raises(UsageError, match=message) as raised:
        run(override, dry_run=True)
    assert fix in raised.value.fix


def test_no_model_is_a_mistake():
    with pytest.raises(UsageError, match="no model to evaluate") as raised:
        evaluate.main([TINY], ["documents=x", "output=y"], dry_run=False)
    assert "models.NAME=FOLDER" in raised.value.fix


def test_the_folder_above_the_documents_is_recognised(run, documents):
    with pytest.raises(UsageError, match="no held-out documents") as raised:
        run(f"documents={documents.parent}")
    assert raised.value.fix == f"documents={documents}"


def test_a_broken_model_folder_is_named(run, models, tmp_path):
    broken = shutil.copytree(models["cpt"], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UsageError, match="transformers cannot load this model") as raised:
        run(f"models.cpt={broken}")
    assert raised.value.where == f"models.cpt={broken}"
    assert not run.output.exists()


def test_a_damaged_shard_is_named(run, documents, tmp_path):
    damaged = shutil.copytree(documents, tmp_path / "documents")
    shard = next(damaged.glob("*en*/heldout/*.zst"))
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot read this shard"):
        run(f"documents={damaged}")
