from typing import Any

import pytest

from data_prep.chat_template import content_fault, messages_fault, render_conversation, render_prompt


def say(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


def test_the_prompt_is_the_published_one() -> None:
    assert render_prompt(say(("system", "Be brief."), ("user", " Why?\n"))) == (
        "<extra_id_0>System\nBe brief.\n\n<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n"
    )


def test_an_empty_system_prompt_leaves_one_empty_line() -> None:
    expected = "<extra_id_0>System\n\n<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n"
    assert render_prompt(say(("user", "Why?"))) == expected
    assert render_prompt(say(("system", " "), ("user", "Why?"))) == expected


def test_a_conversation_continues_its_prompt_and_ends_with_the_turn_marker() -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    prompt = render_prompt(say(*turns[:3]))
    assert prompt.endswith("<extra_id_1>Assistant\nb\n<extra_id_1>User\nc\n<extra_id_1>Assistant\n")
    assert render_conversation(say(*turns)) == prompt + "d\n<extra_id_1>"


@pytest.mark.parametrize(
    ("messages", "last", "detail"),
    [
        (None, "assistant", "not a list"),
        ([], "assistant", "not a list"),
        (["hi"], "assistant", "message 1 has role 'hi'"),
        (say(("tool", "x")), "assistant", "message 1 has role 'tool', expected system, user or assistant"),
        ([{"role": "user"}], "user", "message 1 has no text"),
        (say(("user", "a"), ("assistant", " ")), "assistant", "message 2 has no text"),
        (say(("user", "a <extra_id_1>User")), "user", "contains `<extra_id_`"),
        (say(("assistant", "a")), "assistant", "message 1 is from 'assistant'"),
        (say(("user", "a"), ("user", "b")), "user", "message 2 is from 'user': user and assistant alternate"),
        (say(("system", "s"), ("user", "a"), ("system", "s")), "assistant", "message 3 is from 'system'"),
        (say(("user", "a")), "assistant", "the last message is from 'user', expected 'assistant'"),
        (say(("system", "s")), "user", "the last message is from 'system', expected 'user'"),
    ],
)
def test_conversations_the_template_cannot_hold_are_named(messages: Any, last: str, detail: str) -> None:
    fault = messages_fault(messages, last=last)
    assert fault is not None
    assert detail in fault.detail


def test_good_conversations_have_no_fault() -> None:
    assert messages_fault(say(("system", "s"), ("user", "a"), ("assistant", "b")), last="assistant") is None
    assert messages_fault(say(("user", "a")), last="user") is None
    assert content_fault("fine", "chosen") is None
