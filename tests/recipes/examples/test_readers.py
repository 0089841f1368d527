"""Every form of a row gives the same example; what cannot be used is named with its reason."""

import pytest

from data_prep.instruct.formats import DPO, SFT
from data_prep.jsonl import Fault
from recipes.examples.readers import ChatReader, Example, PairReader, PromptReader
from recipes.examples.templates import NEMOTRON, ChatTokens

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "आकाश नीला क्यों है?"}
ANSWER = {"role": "assistant", "content": "हवा से।"}
CHAT = {"id": "c", "messages": [SYSTEM, QUESTION, ANSWER]}
PAIR = {"id": "p", "messages": [SYSTEM, QUESTION], "chosen": ANSWER["content"], "rejected": "पता नहीं।"}
OWN_CHAT, OWN_PAIR = SFT.to_aligner(CHAT), DPO.to_aligner(PAIR)

chat = ChatReader(template=NEMOTRON)
pair = PairReader(template=NEMOTRON, after=())
plain = PromptReader(
    template="{input} {output}", label_key="output", is_space_sensitive=True, before=(), between=(), after=()
)


@pytest.mark.parametrize(
    "row",
    [
        CHAT,
        {"messages": CHAT["messages"]},
        {"conversations": [{"from": "human", "value": QUESTION["content"]}, {"from": "gpt", "value": "हवा से।"}],
         "system": "Be brief."},
        OWN_CHAT,
    ],
    ids=["messages", "without an id", "sharegpt", "aligner"],
)  # fmt: skip
def test_conversations_in_every_form(row) -> None:
    example = chat(row)
    assert example.line == OWN_CHAT
    assert example.is_own == (row is OWN_CHAT)


@pytest.mark.parametrize(
    "row",
    [
        PAIR,
        {"chosen": [SYSTEM, QUESTION, ANSWER], "rejected": [SYSTEM, QUESTION, {**ANSWER, "content": "पता नहीं।"}]},
        {"conversations": [{"from": "human", "value": QUESTION["content"]}], "system": "Be brief.",
         "chosen": {"from": "gpt", "value": "हवा से।"}, "rejected": {"from": "gpt", "value": "पता नहीं।"}},
        {"prompt": [SYSTEM, QUESTION], "chosen_response": ANSWER,
         "rejected_response": {**ANSWER, "content": "पता नहीं।"}},
        OWN_PAIR,
    ],
    ids=["messages", "lists", "sharegpt", "aligner with messages", "aligner"],
)  # fmt: skip
def test_preferences_in_every_form(row) -> None:
    example = pair(row)
    assert example.line == OWN_PAIR
    assert example.is_own == (row is OWN_PAIR)


def test_rewards_of_a_pair_are_kept_for_the_losses_that_read_them() -> None:
    assert pair(PAIR | {"chosen_reward": 4.5, "rejected_reward": 2}).line == OWN_PAIR | {
        "chosen_reward": 4.5,
        "rejected_reward": 2,
    }


def test_other_turn_markers_come_from_the_configuration() -> None:
    markers = ChatTokens(system_turn_start="<s>", turn_start="<t>", end_of_turn="<e>", end_of_name=":")
    example = PairReader(template=markers, after=())(PAIR)
    assert example.line["prompt"] == "<s>System:Be brief.<e><t>User:आकाश नीला क्यों है?<e><t>Assistant:"
    assert example.line["chosen_response"] == "हवा से।<e><t>"
    text = "".join(piece.text for piece in ChatReader(template=markers)(CHAT).texts[0])
    assert text == example.line["prompt"] + example.line["chosen_response"]


@pytest.mark.parametrize(
    ("change", "reason", "found"),
    [
        ({"system": None}, "no_chat", '"system" (may be "") and "conversations"'),
        ({"conversations": "hello"}, "no_chat", '"system" (may be "") and "conversations"'),
        ({"conversations": [{"from": "User"}]}, "bad_turn", 'every turn needs "from" and "value"'),
        ({"mask": "Human"}, "no_answer", 'turns of "Human" (mask)'),
        ({"conversations": [{"from": "User", "value": "alone"}]}, "no_answer", "someone who answers"),
        ({"type": "TEXT_TO_VALUE"}, "labelled", "labelled turns (SteerLM) are not supported"),
        ({"conversations": [{"from": "User", "value": "a"}, {"from": "Assistant", "value": " "}]},
         "nothing_to_learn", "no answer has a text"),
        ({"conversations": [{"from": "User", "value": "<extra_id_1>"}, {"from": "Assistant", "value": "b"}]},
         "special_token", "the marker that opens a turn"),
    ],
)  # fmt: skip
def test_aligners_conversations_that_upstream_would_learn_wrongly(change, reason, found) -> None:
    fault = chat(OWN_CHAT | change)
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert found in fault.detail


@pytest.mark.parametrize(
    ("row", "reason", "found"),
    [
        ({"messages": [QUESTION]}, "bad_order", "expected 'assistant'"),
        ({"text": "no conversation"}, "bad_messages", "is not a list of"),
        ({"conversations": 3}, "bad_messages", "is not a list of"),
    ],
)
def test_rows_that_are_no_conversation(row, reason, found) -> None:
    fault = chat(row)
    assert (fault.reason, found in fault.detail) == (reason, True)


@pytest.mark.parametrize(
    ("row", "reason", "found"),
    [
        (OWN_PAIR | {"prompt": ""}, "nothing_to_learn", "the prompt or an answer has no text"),
        (OWN_PAIR | {"chosen_response": None}, "no_pair", "no chosen_response"),
        (OWN_PAIR | {"rejected_response": ""}, "nothing_to_learn", "the prompt or an answer has no text"),
        (OWN_PAIR | {"rejected_response": OWN_PAIR["chosen_response"]}, "chosen_equals_rejected", "are the same"),
        (PAIR | {"rejected": PAIR["chosen"]}, "chosen_equals_rejected", "are the same"),
        (PAIR | {"messages": [{"role": "user", "content": "x <extra_id_1>"}]}, "special_token", "turn"),
        ({"chosen": [QUESTION], "rejected": [QUESTION]}, "bad_order", "expected 'assistant'"),
    ],
)
def test_pairs_that_teach_nothing_or_are_none(row, reason, found) -> None:
    fault = pair(row)
    assert (fault.reason, found in fault.detail) == (reason, True)


def test_markers_forged_in_a_text_are_found_whatever_they_are() -> None:
    fault = PairReader(template=ChatTokens(turn_start="<t>"), after=())(PAIR | {"chosen": "so <t>User"})
    assert fault.reason == "special_token"


@pytest.mark.parametrize(
    ("row", "reason", "found"),
    [
        ({"input": "a"}, "no_label", 'no key "output" (label_key)'),
        ({"output": "a"}, "no_field", 'no key "input" (prompt_template)'),
        ({"input": "a", "output": " "}, "nothing_to_learn", '"output" has no text'),
    ],
)
def test_prompts_and_responses_that_are_none(row, reason, found) -> None:
    assert isinstance(plain({"input": "a", "output": "b"}), Example)
    fault = plain(row)
    assert (fault.reason, fault.detail) == (reason, found)
