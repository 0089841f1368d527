"""The whole part against a real server: grades, pairs in both orders, faults counted, kills and reruns."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data_prep.errors import UsageError
from data_prep.layout import REPOSITORY_ROOT
from recipes import cli
from recipes.evaluate.generation import Prompt, generate
from tests.recipes.evaluate import task_items
from tests.recipes.evaluate.judge.server import AXES, grades

CONFIG = REPOSITORY_ROOT / "nemo_configs" / "eval" / "judge.yaml"
QUESTIONS = [f"प्रश्न {number}?" for number in range(8)]


def write(path, answer, questions=QUESTIONS):
    rows = [
        {"id": str(number), "question": question, "reference": f"सत्य {number}", "answer": answer(number)}
        for number, question in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def answers(tmp_path):
    """The good model answers with the truth, the bad one with something else."""
    return {
        "good": write(tmp_path / "good.jsonl", lambda number: f"उत्तर {number}"),
        "bad": write(tmp_path / "bad.jsonl", lambda number: f"गलत {number}"),
    }


@pytest.fixture
def words(server, answers, tmp_path):
    def given(*more, names=("good", "bad")):
        return [
            "evaluate",
            "judge",
            str(CONFIG),
            f"endpoint.base_url={server.url}",
            "endpoint.model=judge",
            "endpoint.tries=1",
            f"output={tmp_path}/judge.json",
            *(f"answers.{name}={answers[name]}" for name in names),
            *more,
        ]

    return given


@pytest.fixture
def result(tmp_path):
    return lambda: json.loads((tmp_path / "judge.json").read_text())


@pytest.fixture
def lines(tmp_path):
    return lambda: list(map(json.loads, (tmp_path / "judge.items.jsonl").read_text().splitlines()))


def test_answers_are_graded_compared_and_paid_for(server, words, result, lines, capsys):
    server.reply = lambda prompt: grades(2 if "गलत" in prompt else 4.5)
    assert cli.main(words("endpoint.price={input: 1.0, output: 5.0}")) == 0
    found = result()
    assert found["models"]["good"]["axes"]["Overall"] == {"mean": 4.5, "standard_error": 0}
    assert found["models"]["bad"]["axes"]["Clarity"]["mean"] == 2
    (comparison,) = found["comparisons"]
    assert comparison["models"] == ["good", "bad"]
    assert (comparison["items"], comparison["axes"]["Overall"]["delta"]) == (8, -2.5)
    assert found["judge"]["model"] == "judge"
    assert found["judge"]["served"] == {"judge-2411": 16}
    assert (found["judge"]["temperature"], len(found["judge"]["prompt_sha256"])) == (0, 64)
    assert found["usage"]["cost"]["value"] == round(16 * (100 * 1.0 + 20 * 5.0) / 1e6, 6)
    assert all("[reference answer]\nसत्य" in prompt for prompt in server.asked)
    assert lines()[0] == {
        "id": "0",
        "model": "good",
        "grades": dict.fromkeys(AXES, 4.5),
        "invalid": None,
        "unanswered": None,
        "replies": [grades(4.5)],
    }
    printed = capsys.readouterr().out
    assert re.search(r"judged by judge-2411 .*16 of 16 replies asked now; 0\.0032 USD", printed)
    assert re.search(r"good +│ +8 │ +8 │ +0 │ +0 .*4.50 ± 0.00", printed)
    assert "bad - good, Overall: -2.50 (95 % from -2.50 to -2.50, p " in printed


def test_too_few_answers_to_the_same_questions_are_not_compared(words, answers, result, capsys):
    write(answers["bad"], lambda number: "गलत", QUESTIONS[:1])
    assert cli.main(words()) == 0
    assert result()["comparisons"] == [{"models": ["good", "bad"], "items": 1, "axes": {}}]
    assert "bad - good: too few answers to the same questions to compare (1)" in capsys.readouterr().out


def test_open_answers_are_graded_without_the_reference(server, words, result):
    assert cli.main(words("kind=open", names=["good"])) == 0
    assert not any("सत्य" in prompt for prompt in server.asked)
    assert (result()["models"]["good"]["valid"], result()["comparisons"]) == (8, [])


def test_pairs_are_judged_in_both_orders_so_that_the_place_decides_nothing(server, words, result, lines, capsys):
    """Even questions: the good model wins; odd ones: whichever stands first."""

    def verdict(prompt):
        number = int(re.search(r"प्रश्न (\d)", prompt)[1])
        good_first = prompt.index("उत्तर") < prompt.index("गलत")
        return json.dumps({"verdict": "A" if number % 2 or good_first else "B"})

    server.reply = verdict
    assert cli.main(words("kind=pairs")) == 0
    assert re.search(r"│ +8 │ +4 │ +0 │ +4 │ +4 │ +0 │ +0 │ +0\.75 \(0\.", capsys.readouterr().out)
    pairs = result()["pairs"]
    assert (pairs["wins"], pairs["losses"], pairs["ties"], pairs["of_ties_orders_disagree"]) == (4, 0, 4, 4)
    assert pairs["win_share"]["value"] == 0.75
    assert pairs["win_share"]["low"] < 0.75 < pairs["win_share"]["high"]
    assert pairs["verdicts"] == {"first": 12, "second": 4, "tie": 0}
    assert server.requests == 16
    assert [line["worth_to_first"] for line in lines()][:2] == [1, 0.5]


def test_pairs_need_questions_in_common_and_say_which_were_left_out(server, words, answers, result, capsys):
    server.reply = lambda _: '{"verdict": "tie"}'
    write(answers["bad"], lambda number: "गलत", QUESTIONS[:3])
    assert cli.main(words("kind=pairs")) == 0
    assert (result()["pairs"]["items"], result()["unpaired"]) == (3, {"good": 5, "bad": 0})
    answers["bad"].write_text('{"id": "x", "question": "?", "answer": "!"}\n')
    assert cli.main(words("kind=pairs")) == 1
    assert "answered no question in common" in capsys.readouterr().err


def test_invalid_replies_are_asked_for_again_then_counted_and_never_averaged_in(server, words, result, lines, capsys):
    replies = {"0": "I like it.", "1": grades()[:-1], "2": '{"Overall": 4}', "3": grades(9), "4": ""}
    once = {"5": "Sure!"}

    def reply(prompt):
        number = re.search(r"प्रश्न (\d)", prompt)[1]
        return replies.get(number) or ("" if number == "4" else once.pop(number, grades(3)))

    server.reply = reply
    assert cli.main(words(names=["good"])) == 0
    model = result()["models"]["good"]
    assert model["invalid"] == {"bad_json": 1, "empty": 1, "missing_key": 1, "no_json": 1, "out_of_range": 1}
    assert (model["valid"], model["axes"]["Overall"]["mean"]) == (3, 3)
    assert server.requests == 5 * 3 + 2 + 2
    assert [len(line["replies"]) for line in lines()] == [3, 3, 3, 3, 3, 2, 1, 1]
    assert sum("could not be used (there is no JSON object in it)" in prompt for prompt in server.asked) == 2
    assert re.search(r"good +│ +8 │ +3 │ +5 │ +0 ", capsys.readouterr().out)
    assert cli.main(words(names=["good"])) == 0
    assert (server.requests, result()["asked_in_this_run"]) == (19, 0)  # not even the invalid ones


def test_a_reply_that_was_cut_off_is_invalid(server, words, result):
    server.finish = "length"
    assert cli.main(words("attempts=1", names=["good"])) == 0
    assert result()["models"]["good"]["invalid"] == {"cut_off": 8}


def test_a_request_the_server_refuses_is_counted_and_asked_for_by_the_next_run(server, words, result, capsys):
    server.reply = lambda prompt: 400 if "प्रश्न 7" in prompt else grades()
    assert cli.main(words(names=["good"])) == 1
    assert "some judgements have no reply (refused 1)" in capsys.readouterr().out
    model = result()["models"]["good"]
    assert (model["valid"], model["invalid"], model["unanswered"]) == (7, {}, {"refused": 1})
    server.reply = lambda _: grades()
    assert cli.main(words(names=["good"])) == 0
    assert result()["models"]["good"]["valid"] == 8
    assert result()["asked_in_this_run"] == 1


@pytest.mark.parametrize(("fault", "said"), [(500, "it answered 500"), (400, "it answered 400"), (b"<html>", "html")])
def test_a_server_that_answers_nothing_ends_the_run(server, words, tmp_path, capsys, fault, said):
    server.reply = lambda _: fault
    assert cli.main(words("endpoint.concurrency=1", names=["good"])) == 1
    error = capsys.readouterr().err
    assert "no reply to 5 requests in a row" in error
    assert said in error
    assert server.requests <= 6
    assert not (tmp_path / "judge.json").exists()


def test_a_server_that_dies_half_way_leaves_what_it_said_and_a_rerun_asks_for_the_rest(
    server, words, tmp_path, result, capsys
):
    server.dies_after = 9
    assert cli.main(words("endpoint.concurrency=2")) == 1
    assert "cannot reach the judge" in capsys.readouterr().err
    assert not (tmp_path / "judge.json").exists()
    server.dies_after = None
    server.asked.clear()
    assert cli.main(words()) == 0
    assert server.requests == result()["asked_in_this_run"] == 16 - 9
    assert result()["usage"]["replies"] == 16


def test_kill_9_loses_at_most_the_replies_under_way(server, words, result):
    server.delay = 0.05
    run = subprocess.Popen([sys.executable, "-m", "recipes.cli", *words("endpoint.concurrency=2")], cwd=REPOSITORY_ROOT)
    deadline = time.monotonic() + 120
    while server.requests < 7 and time.monotonic() < deadline:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(0.2)
    before = server.requests
    assert 7 <= before < 16
    assert cli.main(words()) == 0
    assert server.requests - before <= 16 - before + 2
    assert set(server.asked.values()) <= {1, 2}
    assert sum(count == 2 for count in server.asked.values()) <= 2
    assert result()["models"]["good"]["valid"] == 8


def test_requests_under_way_are_bounded(server, words):
    server.delay = 0.02
    assert cli.main(words("endpoint.concurrency=3")) == 0
    assert 2 <= server.most_under_way <= 3


def test_another_prompt_or_temperature_is_another_question(server, words, tmp_path):
    assert cli.main(words(names=["good"])) == 0
    assert cli.main(words("endpoint.temperature=0.5", names=["good"])) == 0
    (tmp_path / "mine.txt").write_text("{question} {reference} {answer}")
    assert cli.main(words(f"prompt={tmp_path}/mine.txt", names=["good"])) == 0
    assert server.requests == 24


def test_the_key_is_written_nowhere(server, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    server.key = "sk-secret"
    assert cli.main(words("endpoint.key_variable=JUDGE_KEY", names=["good"])) == 0
    captured = capsys.readouterr()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not any(b"sk-secret" in content for content in written)
    assert "sk-secret" not in captured.out + captured.err


def test_a_real_model_s_replies_are_judged_like_any_other(server, models, words, tmp_path, result):
    """Two tiny models answer; a third, served, judges: random weights keep to no form, and every reply is counted."""
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(models["cpt"])
    model = AutoModelForCausalLM.from_pretrained(models["cpt"], torch_dtype=torch.float32).eval()
    with_lock = server.lock

    def reply(prompt):
        with with_lock:
            return generate(model, tokenizer, Prompt(lang="und", user=prompt[-60:]), 8)

    server.reply = reply
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": "नदी कहाँ है?"}\n{"question": "Why?"}\n', encoding="utf-8")
    given = [f"questions={questions}", "kind=open", "max_new_tokens=6", "attempts=2"]
    folders = [f"models.{name}={folder}" for name, folder in models.items()]
    assert cli.main(words(*given, *folders, names=[])) == 0
    first = result()
    assert set(first["models"]) == {"base", "cpt"}
    for found in first["models"].values():
        assert found["valid"] + sum(found["invalid"].values()) == found["items"] == 2
        assert found["axes"] == {}
    assert first["usage"]["replies"] == 8
    answers = {re.search(r"\[answer to grade\]\n(.*?)\n\[end\]", prompt, re.DOTALL)[1] for prompt in server.asked}
    base = AutoModelForCausalLM.from_pretrained(models["base"], torch_dtype=torch.float32).eval()
    assert generate(base, tokenizer, Prompt(lang="und", user="Why?"), 6) in answers
    assert cli.main(words(*given, *folders, names=[])) == 0
    assert result()["asked_in_this_run"] == 0
    assert result()["models"] == first["models"]


def test_the_item_logs_of_an_evaluation_are_judged_as_they_are(server, models, words, answers, tmp_path, result):
    folder = shutil.copytree(models["base"], tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    data = task_items.write(tmp_path / "data")
    where = [f"models.base={folder}", f"data_dir={data}", f"output={tmp_path}/e.json", "seq_length=320"]
    assert cli.main(["evaluate", *where, "tasks=[indic_quest_hi]", "bootstrap_samples=0"]) == 0
    folder = json.loads((tmp_path / "e.json").read_text())["items_folder"]
    answers["base"] = tmp_path / folder / "base" / "indic_quest_hi.jsonl"
    assert cli.main(words(names=["base"])) == 0
    assert result()["models"]["base"]["valid"] == 2
    seen = "\n".join(server.asked)
    for item in task_items.ITEMS["indic_quest_hi"]["test"]:
        assert f"[question]\n{item['Question']}\n[reference answer]\n{item['Answer']}\n[answer to grade]\n" in seen


def test_a_dry_run_asks_nobody_and_writes_nothing(server, words, tmp_path, capsys):
    before = set(tmp_path.iterdir())
    assert cli.main([*words(), "--dry-run"]) == 0
    assert "kind=reference, answers of good (8), bad (8), by judge at http" in capsys.readouterr().out
    assert server.requests == 0
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("more", "names", "message"),
    [
        ([], [], "there is nothing to judge"),
        (["kind=pairs"], ["good"], "kind=pairs compares two models, here are 1: good"),
        (["models.good=x", "questions=q"], ["good"], "good is named in answers and in models"),
        (["models.new=x"], ["good"], "models have nothing to answer"),
        (["attempts=0"], ["good"], "attempts is 0, the least is 1"),
        (["kind=pair"], ["good"], "did you mean 'pairs'"),
        (["endpoint.key=sk-1"], ["good"], "unknown key 'key'"),
        (["endpoint.key_variable=NO_SUCH_KEY"], ["good"], "NO_SUCH_KEY holds no usable key"),
        (["models.new=/nowhere", "questions={good}"], ["good"], "not a Hugging Face model folder"),
    ],
)
def test_settings_that_make_no_sense_are_refused(words, answers, capsys, more, names, message):
    given = [word.format(**answers) for word in more]
    assert cli.main(words(*given, names=names)) == UsageError.exit_code
    assert message in capsys.readouterr().err
