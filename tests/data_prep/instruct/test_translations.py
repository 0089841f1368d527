"""Translated examples: what is kept, what is not and why, which are chosen, and that runs repeat to the byte."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.documents import split_of
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary
from data_prep.instruct import parts
from data_prep.instruct import stage as instruct
from data_prep.instruct.back_translation import chrf, in_a_row
from data_prep.layout import Layout
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.settings import load
from data_prep.tasks import run_step
from tests.data_prep.conftest import write_jsonl

LONG = "The committee met on Monday and gave no prize that year because it knew of no suitable living candidate"
LONG_HI = "समिति सोमवार को बैठी और उसने उस साल कोई पुरस्कार नहीं दिया क्योंकि उसकी नज़र में कोई योग्य जीवित व्यक्ति"
PAIRS = {
    "Why is the sky blue?": ("आकाश नीला क्यों है?", "Why is the sky blue?"),
    "Air scatters blue light.": ("हवा नीली रोशनी बिखेरती है।", "Air scatters blue light."),
    "Nobody knows.": ("किसी को नहीं पता।", "Nobody knows."),
    "Where is the river?": ("नदी कहाँ है?", "Rice needs a lot of sun."),
    "Who won the prize?": ("पुरस्कार किसे मिला?", "Who won the prize?"),
    f"{LONG}.": (f"{LONG_HI} नहीं था नहीं था नहीं था नहीं था।", f"{LONG} candidate candidate candidate."),
    "Which bird sings?": ("कौन सा पक्षी गाता है?", "Which bird sings?"),
    "The koel sings.": ("कोयल गाती है।", "The koel sings sings sings sings."),
    "Both are the same.": ("बराबर।", "Both are the same."),
    "They both are the same.": ("बराबर।", "Both are the same."),
}
Run = Callable[..., Layout]


def chat(name: str, *texts: str, **more: Any) -> dict[str, Any]:
    roles = [("user", "assistant")[n % 2] for n in range(len(texts))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    return {"id": name, "lang": "en-Latn", "messages": messages, **more}


GOOD = chat("good", "Why is the sky blue?", "Air scatters blue light.\n\n- `x = 1`\n- Nobody knows.", pair="sky")


@pytest.fixture
def run(tmp_path: Path, small_prep: Layout) -> Run:
    """Runs stage instruct on chats and preferences with a translation memory each way."""
    write_jsonl(tmp_path / "there.jsonl", [{"source": en, "target": hi} for en, (hi, _) in PAIRS.items()])
    write_jsonl(tmp_path / "back.jsonl", [{"source": hi, "target": back} for hi, back in PAIRS.values()])

    def prepare(folder: str, chats: list[Any], pairs: list[Any] | None = None, **given: Any) -> Layout:
        settings = _settings(tmp_path, small_prep, folder, chats, pairs, given)
        stage = instruct.stage(settings)
        for step in stage.steps:
            run_step(stage, step, execution=settings.execution, logs=settings.layout.logs("instruct", step.name))
        return settings.layout

    return prepare


def _settings(
    where: Path, small: Layout, folder: str, chats: list[Any], pairs: list[Any] | None, given: dict[str, Any]
) -> PrepSettings:
    filler = [chat(f"filler-{n}", "कैसे हो?", "ठीक हूँ।", lang="hi-Deva") for n in range(12)]
    section: dict[str, Any] = {"chat": str(write_jsonl(where / "chat.jsonl", [*chats, *filler]))}
    if pairs is not None:
        others = [{**each, "messages": each["messages"][:1], "chosen": "हाँ", "rejected": "ना"} for each in filler]
        section["preferences"] = str(write_jsonl(where / "pairs.jsonl", [*pairs, *others]))
    section["validation_fraction"] = 0.4
    section["default_lang"] = given.pop("default_lang", "und")
    engines = {
        key: {"use": "memory", "memory": {"path": str(where / f"{name}.jsonl")}}
        for key, name in (("engine", "there"), ("back_engine", "back"))
    }
    section["translate"] = {"enabled": True, "sets": ["sft"], **engines, **given}
    source = {"path": str(where / "chat.jsonl"), "lang": "en-Latn", "kind": "real", "source": "s", "license": "CC0-1.0"}
    config = where / f"{folder}.yaml"
    config.write_text(yaml.safe_dump({"output_dir": str(where / folder), "sources": [source], "instruct": section}))
    settings = load(PrepSettings, [config])
    settings.layout.tokenizer.parent.mkdir(parents=True, exist_ok=True)
    settings.layout.tokenizer.write_bytes(small.tokenizer.read_bytes())
    return settings


def shard(path: Path) -> list[dict[str, Any]]:
    with open_binary(path) as lines:
        return [json.loads(line) for line in lines]


def kept(layout: Layout, name: str = "sft") -> dict[str, Any]:
    return {each["id"]: each for each in shard(layout.side("instruct", "translations") / f"{name}.jsonl.zst")}


def rejects(layout: Layout, name: str = "sft") -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in shard(layout.rejects("instruct", f"{name}.translations", "00000"))}


def test_contents_are_translated_and_everything_else_stays(run: Run) -> None:
    layout = run("out", [GOOD])
    document = kept(layout)["good.hi-Deva"]
    answer = "हवा नीली रोशनी बिखेरती है।\n\n- `x = 1`\n- किसी को नहीं पता।"
    messages = [{"role": "user", "content": "आकाश नीला क्यों है?"}, {"role": "assistant", "content": answer}]
    assert json.loads(document["text"])["messages"] == messages
    about = {key: document[key] for key in ("lang", "kind", "parent_id", "group")}
    assert about == {"lang": "hi-Deva", "kind": "translated", "parent_id": "good", "group": "sky"}


def test_translations_stand_beside_their_originals_on_the_same_side(run: Run) -> None:
    layout = run("out", [GOOD])
    side = "validation" if split_of("sky", 0.4) == "heldout" else "train"
    lines = list(map(json.loads, layout.instruct("sft", side).read_text("utf-8").splitlines()))
    questions = [line["conversations"][0]["value"] for line in lines]
    assert "Why is the sky blue?" in questions
    assert "आकाश नीला क्यों है?" in questions
    by = Receipt.load(layout.instruct_receipt("sft")).by
    assert {lang: {kind: sizes["documents"] for kind, sizes in kinds.items()} for lang, kinds in by.items()} == {
        "en-Latn": {"real": 1},
        "hi-Deva": {"real": 12, "translated": 1},
    }


BAD = [
    chat("wrong", "Where is the river?", "Nobody knows."),
    chat("loop", "Who won the prize?", f"{LONG}."),
    chat("loop-back", "Which bird sings?", "The koel sings."),
    chat("unknown", "Why is the sky blue?", "This sentence is in no memory."),
    chat("code", "```\nx = 1\n```", "42"),
]


@pytest.mark.parametrize(
    ("name", "reason", "where"),
    [
        (
            "wrong",
            "back_translation",
            r"chat.jsonl:2 \(id wrong\): message 1 came back with chrF\+\+ \d+\.\d, below 50",
        ),
        ("loop", "repetition", "message 2 to hi-Deva: the same words 4 times in a row"),
        ("loop-back", "repetition", "message 2 to en-Latn: the same words 4 times in a row"),
        ("unknown", "untranslated", "message 2 to hi-Deva: of 1 segments untranslated 1 failed"),
        ("code", "nothing_to_translate", "nothing to translate"),
    ],
)
def test_what_is_not_good_enough_is_kept_with_its_reason(run: Run, name: str, reason: str, where: str) -> None:
    layout = run("out", [GOOD, *BAD], checks={"max_repetition": 0.6, "max_length_ratio": 9.0})
    assert set(kept(layout)) == {"good.hi-Deva"}
    reject = rejects(layout)[f"{name}.hi-Deva"]
    assert reject["reason"] == reason
    assert re.search(where, reject["where"])
    assert "back_translation" in json.loads(reject["text"])


def test_chrf_alone_would_pass_the_loop() -> None:
    """The degenerate row that once scored 94: its end repeats itself, and that costs a few points only."""
    source = f"{LONG}."
    assert chrf(PAIRS[source][1], source) > 85
    assert in_a_row(PAIRS[source][0]) == 4


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("", 1),
        ("नहीं, नहीं, नहीं!", 3),
        ("एक दो तीन एक दो तीन", 2),
        ("की की की की", 4),
        ("कि की का के", 1),
        ("वह आया। वह आया। वह आया। वह आया। फिर गया।", 4),
    ],
)
def test_phrases_in_a_row_are_counted_with_their_vowel_signs(text: str, times: int) -> None:
    assert in_a_row(text) == times


def test_what_the_source_repeats_the_translation_may(run: Run, tmp_path: Path) -> None:
    word = "Very very very very very blue."
    hindi = "बहुत बहुत बहुत बहुत बहुत नीला।"
    with (tmp_path / "there.jsonl").open("a", encoding="utf-8") as there:
        there.write(json.dumps({"source": word, "target": hindi}) + "\n")
    with (tmp_path / "back.jsonl").open("a", encoding="utf-8") as back:
        back.write(json.dumps({"source": hindi, "target": word}) + "\n")
    assert set(kept(run("out", [chat("very", "Why is the sky blue?", word)]))) == {"very.hi-Deva"}


def test_preferences_are_translated_with_both_answers(run: Run) -> None:
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    about = {"lang": "en-Latn", "messages": question}
    pairs = [
        {"id": "p", **about, "chosen": "Air scatters blue light.", "rejected": "Nobody knows."},
        {"id": "q", **about, "chosen": "Air scatters blue light.", "rejected": "Where is the river?"},
        {"id": "same", **about, "chosen": "Both are the same.", "rejected": "They both are the same."},
    ]
    layout = run("out", [GOOD], pairs, sets=["dpo"], min_chrf=20.0)
    made = json.loads(kept(layout, "dpo")["p.hi-Deva"]["text"])
    assert (made["chosen"], made["rejected"]) == ("हवा नीली रोशनी बिखेरती है।", "किसी को नहीं पता।")
    assert rejects(layout, "dpo")["q.hi-Deva"]["where"].endswith("below 20.0")
    assert "rejected came back" in rejects(layout, "dpo")["q.hi-Deva"]["where"]
    assert rejects(layout, "dpo")["same.hi-Deva"]["reason"] == "chosen_equals_rejected"


def test_as_many_as_wanted_are_kept_in_an_order_that_the_file_does_not_decide(run: Run) -> None:
    good = [{**GOOD, "id": f"good-{n}", "pair": f"g{n}"} for n in range(9)]
    first = run("a", [*good, *BAD], max_examples=4)
    chosen = set(kept(first))
    assert len(chosen) == 4
    receipt = Receipt.load(first.side("instruct", "translations") / "sft.jsonl.zst.receipt.json")
    assert receipt.details["candidates"] == 14
    assert receipt.details["kept"] == 4 <= receipt.details["tried"] <= 9
    assert set(kept(run("b", [*BAD, *reversed(good)], max_examples=4))) == chosen
    assert chosen < set(kept(run("c", [*good, *BAD], max_examples=6)))


def test_a_second_run_writes_the_same_bytes(run: Run) -> None:
    layouts = [run(folder, [GOOD, *BAD]) for folder in ("a", "b")]
    contents = [
        {
            path.relative_to(each.root): path.read_bytes()
            for path in each.root.rglob("*.jsonl*")
            if "receipt" not in path.name
        }
        for each in layouts
    ]
    names = {path for path in contents[0] if path.parts[0] == "instruct"}
    assert len(names) == 3
    assert {path: contents[0][path] for path in names} == {path: contents[1][path] for path in names}


def test_finished_work_is_current_and_a_new_threshold_makes_it_stale(
    run: Run, tmp_path: Path, small_prep: Layout
) -> None:
    run("out", [GOOD])
    for score, current in ((50.0, True), (90.0, False)):
        settings = _settings(tmp_path, small_prep, "out", [GOOD], None, {"min_chrf": score})
        stage = instruct.stage(settings)
        assert stage.is_current(stage.steps[0].tasks[0]) is current


def test_examples_without_a_language_need_to_be_told_theirs(run: Run) -> None:
    unsaid = {key: value for key, value in GOOD.items() if key != "lang"}
    with pytest.raises(DataError, match=r"no example is in en-Latn(.|\n)*instruct\.default_lang=en-Latn"):
        run("a", [unsaid])
    assert set(kept(run("b", [unsaid], default_lang="en-Latn"))) == {"good.hi-Deva"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"back_engine": None}, "enabled without both engines"),
        ({"sets": ["dpo"]}, r"sets names dpo, but there is no instruct\.preferences"),
        ({"to_lang": "en-Latn"}, "from_lang and to_lang are both en-Latn"),
        ({"max_examples": 0}, "max_examples 0 keeps nothing"),
        ({"min_chrf": 101.0}, "min_chrf 101.0 is not between 0 and 100"),
    ],
)
def test_settings_that_cannot_work_are_refused(run: Run, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("out", [GOOD], **given)


def test_engines_are_checked_before_any_work(run: Run, tmp_path: Path, small_prep: Layout) -> None:
    run("out", [GOOD])
    settings = _settings(tmp_path, small_prep, "out", [GOOD], None, {})
    instruct.check(settings)
    (tmp_path / "back.jsonl").unlink()
    with pytest.raises(UsageError, match=r"does not exist(.|\n)*back\.jsonl"):
        instruct.check(settings)


def test_a_side_without_examples_is_an_error_with_its_numbers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "split_of", lambda *_: "train")
    message = r"sft: \d+ training and 0 validation examples(.|\n)*at least one of each(.|\n)*validation_fraction=0\.3"
    with pytest.raises(DataError, match=message):
        run("out", [GOOD])
