"""Every form instruction data comes in gives the same normal form; what is malformed is named with its code."""

import re
from typing import Any

import pytest

from data_prep.instruct.formats import DPO, SFT, Format
from data_prep.instruct.shapes import normal_form

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "आकाश नीला क्यों है?"}
ANSWER = {"role": "assistant", "content": "हवा से।"}
WORSE = {"role": "assistant", "content": "पता नहीं।"}
CHAT = {"id": "c", "lang": "hi-Deva", "messages": [SYSTEM, QUESTION, ANSWER]}
PAIR = {"id": "p", "messages": [SYSTEM, QUESTION], "chosen": ANSWER["content"], "rejected": WORSE["content"]}


def test_openai_messages_are_the_normal_form() -> None:
    assert normal_form(CHAT) == CHAT
    assert normal_form(PAIR) == PAIR


@pytest.mark.parametrize(("human", "model"), [("human", "gpt"), ("user", "assistant")])
@pytest.mark.parametrize("apart", [True, False])
def test_sharegpt(human: str, model: str, apart: bool) -> None:  # noqa: FBT001
    turns = [{"from": human, "value": QUESTION["content"]}, {"from": model, "value": ANSWER["content"]}]
    system = [] if apart else [{"from": "system", "value": SYSTEM["content"]}]
    given = {"id": "c", "lang": "hi-Deva", "conversations": [*system, *turns]}
    assert normal_form(given | ({"system": SYSTEM["content"]} if apart else {})) == CHAT


@pytest.mark.parametrize(("form", "value"), [(SFT, CHAT), (DPO, PAIR)])
def test_aligners_own_lines_come_back_the_same_under_an_id_of_their_content(
    form: Format, value: dict[str, Any]
) -> None:
    line = form.to_aligner(value)
    assert form.row_fault(line) is None
    made = normal_form(line)
    assert isinstance(made, dict)
    assert form.texts(made) == form.texts(value)
    assert form.to_aligner(made) == line
    assert normal_form(dict(reversed(line.items()))) == made
    assert len(made["id"]) == 16


def test_preferences_as_lists_of_messages() -> None:
    prompt = [SYSTEM, QUESTION]
    whole = {"chosen": [*prompt, ANSWER], "rejected": [*prompt, WORSE]}
    ultrafeedback = {"prompt_id": "p", "prompt": QUESTION["content"], "messages": whole["chosen"], **whole}
    beside = {"id": "p", "messages": prompt, "chosen": [ANSWER], "rejected": [WORSE]}
    for given in (ultrafeedback, beside):
        made = normal_form(given)
        assert isinstance(made, dict)
        assert {key: made[key] for key in PAIR} == PAIR
        assert DPO.row_fault(given) is None


LINE = SFT.to_aligner(CHAT)
PAIR_LINE = DPO.to_aligner(PAIR)
LISTS = {"id": "p", "messages": [QUESTION], "chosen": [ANSWER], "rejected": [WORSE]}


@pytest.mark.parametrize(
    ("form", "value", "reason", "words"),
    [
        (SFT, {"id": "c", "conversations": "hello"}, "bad_messages", "`conversations` is not a list .*id c"),
        (SFT, {"id": "c", "conversations": ["hello"]}, "bad_role", "message 1 has role 'hello'"),
        (SFT, {"id": "c", "conversations": [{"from": "tool", "value": "x"}]}, "bad_role", "has role 'tool'"),
        (SFT, {"id": "c", "conversations": [{"from": 3, "value": "x"}]}, "bad_role", "has role 3"),
        (SFT, {"id": "c", "conversations": [{"from": "gpt", "value": "x"}]}, "bad_order", "message 1 is from 'assist"),
        (SFT, {"id": "c", "conversations": [{"from": "human"}]}, "empty_content", "message 1 has no text"),
        (SFT, {"conversations": []}, "missing_id", "no `id`"),
        (SFT, LINE | {"mask": "Assistant"}, "bad_messages", "`mask` is 'Assistant': only answers are learnt"),
        (SFT, LINE | {"type": "VALUE_TO_TEXT"}, "bad_messages", "labelled turns"),
        (SFT, LINE | {"conversations": [], "system": ""}, "bad_messages", "`messages` is not a list"),
        (DPO, PAIR_LINE | {"prompt": "Why?"}, "bad_messages", "`prompt` is not a prompt of the chat template"),
        (DPO, PAIR_LINE | {"prompt": None}, "bad_messages", "`prompt` is not a prompt of the chat template"),
        (DPO, {"prompt": PAIR_LINE["prompt"], "chosen_response": "x"}, "empty_content", "rejected has no text"),
        (DPO, LISTS | {"rejected": "text"}, "bad_messages", "`rejected` is not a list"),
        (DPO, LISTS | {"chosen": [QUESTION]}, "bad_order", "last message of chosen is from 'user'"),
        (DPO, LISTS | {"chosen": [QUESTION, ANSWER]}, "bad_messages", "answer different prompts"),
    ],
)
def test_malformed_rows_have_a_code_and_words(form: Format, value: dict[str, Any], reason: str, words: str) -> None:
    fault = form.row_fault(value)
    assert fault is not None
    assert fault.reason == reason
    assert re.search(words, fault.detail)
