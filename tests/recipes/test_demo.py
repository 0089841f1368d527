"""The demo: the whole chain by the public verbs, killed once on the way and continued, and what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from data_prep import settings as strict
from data_prep.errors import UsageError
from data_prep.prep_settings import PrepSettings
from recipes import cli, demo, run_record
from recipes.demo_plan import DemoSettings, plan
from tests.conftest import REPOSITORY, kill_behind_last_step, weights

REPORT_KEYS = {
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
}


@pytest.fixture(scope="module")
def finished_demo(tmp_path_factory) -> Path:
    """A demo of four steps a stage, killed with all its processes while cpt runs, then run again."""
    workdir = tmp_path_factory.mktemp("demo") / "run"
    command = [sys.executable, "-m", "recipes.cli", "demo", "--workdir", str(workdir), "--steps", "4"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.time() + 200
    while run_record.read(workdir / "cpt") is None:
        assert process.poll() is None, "the demo ended before it could be killed"
        assert time.time() < deadline, "the demo did not get to cpt"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    base = run_record.read(workdir / "base")
    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=500)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert f"pretrain: done already, 4 steps, {base.model}" in again.stdout
    assert "cpt: continuing in" in again.stdout
    assert run_record.read(workdir / "base") == base
    return workdir


@pytest.fixture(scope="module")
def report(finished_demo) -> dict:
    return json.loads((finished_demo / "report.json").read_text())


@pytest.mark.slow
def test_the_report_has_the_promised_facts(report) -> None:
    assert set(report) == REPORT_KEYS
    assert report["ground"] in ("portable", "container")
    assert {stage: report[stage]["steps"] for stage in ("base", "cpt", "sft", "dpo")} == dict.fromkeys(
        ("base", "cpt", "sft", "dpo"), 4
    )
    assert report["cpt"]["layout"] == {"tensor": 2, "pipeline": 1, "data": 1}
    for language in ("hi-Deva", "hi-Latn", "en-Latn"):
        assert set(report["bits_per_byte"][language]) >= {"base", "cpt"}


@pytest.mark.slow
def test_the_extended_tokenizer_takes_fewer_tokens_a_word_of_hindi_and_leaves_english_alone(report) -> None:
    found = {(row["tokenizer"], row["lang"]): row["tokens_per_word"] for row in report["fertility"]["rows"]}
    assert found["extended", "hi-Deva"] < found["base", "hi-Deva"]
    assert found["extended", "en-Latn"] == found["base", "en-Latn"]


@pytest.mark.slow
def test_the_converted_model_is_the_trained_one(report) -> None:
    assert report["parity"]["positions"] >= 64
    assert report["parity"]["max_abs_logit_diff"] < 1e-4


@pytest.mark.slow
def test_every_converted_model_and_the_corpus_have_a_card_and_the_last_model_is_released(finished_demo) -> None:
    for stage, tags in (("base", ["pretrained"]), ("cpt", ["pretrained", "continued-pretraining"])):
        assert set(tags) <= set(ModelCard.load(finished_demo / "hf" / stage / "README.md").data.tags)
    text = (finished_demo / "hf" / "dpo" / "README.md").read_text(encoding="utf-8")
    for fact in (
        "| sample_cloze_hi | 60 |",
        "| hi-Deva | translated |",
        "| hi-Latn | romanized |",
        "| KL penalty (beta) |",
        "| sft | 98 |",
    ):
        assert fact in text
    assert DatasetCard.load(finished_demo / "data" / "documents" / "README.md").data.license == ["cc0-1.0"]
    weights_of = [folder / "model.safetensors" for folder in (finished_demo / "hf" / "dpo", finished_demo / "release")]
    assert weights_of[0].read_bytes() == weights_of[1].read_bytes()


@pytest.mark.slow
def test_transformers_loads_the_result_offline_and_answers(finished_demo, monkeypatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished_demo / "release"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": "नमस्ते"}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    assert model.generate(prompt, max_new_tokens=4, do_sample=False).shape[1] > prompt.shape[1]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "dpo"])
@pytest.mark.long
def test_alignment_killed_behind_its_last_step_writes_its_model_at_the_next_start(
    stage, finished_demo, langadapt, tmp_path
) -> None:
    folder = shutil.copytree(finished_demo / stage, tmp_path / stage)
    model = kill_behind_last_step(folder)
    (step,) = (step for step in plan(DemoSettings(workdir=finished_demo, steps=4)) if step.name == stage)
    said = langadapt(*step.arguments, f"exp_manager.explicit_log_dir={folder}").stdout
    assert f"{stage}: 4 steps in" in said
    assert weights(model) == weights(finished_demo / stage / "checkpoints" / model.name) != {}


@pytest.mark.slow
def test_the_page_stands_alone(finished_demo) -> None:
    page = (finished_demo / "report.html").read_text()
    assert "bits per byte" in page
    assert "https://" not in page


def test_every_step_is_a_public_verb_with_absolute_paths() -> None:
    steps = plan(DemoSettings(workdir=Path("somewhere")))
    assert [step.name for step in steps][:7] == [
        *("prep", "verify", "blend base", "blend cpt", "base", "extend", "fertility")
    ]
    assert {step.arguments[0] for step in steps} <= set(cli.VERBS)
    for step in steps:
        assert not [word for word in step.arguments if "=somewhere" in word or word.startswith("somewhere")]


def test_the_report_comes_after_the_cards_it_links() -> None:
    assert [step.name for step in plan(DemoSettings())][-5:] == [
        *("evaluate", "contamination", "card", "release", "report")
    ]


def test_a_dry_run_prints_the_commands_and_makes_nothing(tmp_path, capsys) -> None:
    assert cli.main(["demo", "--workdir", str(tmp_path / "x"), "--dry-run"]) == 0
    assert capsys.readouterr().out.count("langadapt ") == len(plan(DemoSettings()))
    assert not (tmp_path / "x").exists()


def test_own_documents_replace_the_sample(tmp_path) -> None:
    hindi = tmp_path / "my stories.hi.jsonl"
    prep = plan(DemoSettings(real_hi=hindi, real_en=tmp_path / "en.jsonl"))[0]
    settings = strict.load(PrepSettings, [Path(prep.arguments[1])], list(prep.arguments[2:]))
    assert [(source.lang, source.path, source.source) for source in settings.sources] == [
        ("en-Latn", tmp_path / "en.jsonl", "en"),
        ("hi-Deva", hindi, "my_stories"),
    ]


def test_one_language_alone_is_refused(capsys) -> None:
    assert cli.main(["demo", "--real-hi", "a.jsonl"]) == 2
    assert "give both --real-hi FILE and --real-en FILE" in capsys.readouterr().err


def test_too_few_steps_are_refused(capsys) -> None:
    assert cli.main(["demo", "--steps", "1"]) == 2
    assert "--steps 4 or more" in capsys.readouterr().err


def test_a_missing_file_is_refused_before_anything_starts(tmp_path) -> None:
    settings = DemoSettings(workdir=tmp_path / "x", real_hi=tmp_path / "no.jsonl", real_en=tmp_path / "no.jsonl")
    with pytest.raises(UsageError, match=r"no\.jsonl does not exist"):
        demo.check_inputs(settings)


def test_a_failing_step_names_its_command_and_keeps_its_exit_code(tmp_path, capsys) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{not json\n")
    arguments = ["demo", "--workdir", str(tmp_path / "x"), "--real-hi", str(bad), "--real-en", str(bad)]
    assert cli.main(arguments) == 1
    message = capsys.readouterr().err
    assert "The step `prep` ended with exit code 1" in message
    assert "finished steps are not repeated" in message
