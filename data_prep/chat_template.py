"""The prompt template of Nemotron-Mini-4B-Instruct, and the checks that keep a conversation inside it.

Source: the template published with the model. Contents are stripped, as it does, so a newline never merges into
a response.
"""

from collections.abc import Sequence
from typing import Any

from data_prep.jsonl import Fault

SYSTEM_START, TURN_START = "<extra_id_0>", "<extra_id_1>"
END_OF_RESPONSE = f"\n{TURN_START}"
"""What a model writes when its answer is complete; generation stops here."""

_NAMES = {"user": "User", "assistant": "Assistant"}
Messages = Sequence[dict[str, str]]


def render_prompt(messages: Messages) -> str:
    """The text a model answers: all turns so far, then the opening of its own.

    Args:
        messages: OpenAI style {role, content}: an optional system message, then user and assistant in turn, the
            user last.
    """
    return f"{_render_turns(messages)}{TURN_START}Assistant\n"


def render_conversation(messages: Messages) -> str:
    """A whole conversation as SFT trains on it, the last answer closed by the turn marker."""
    return f"{_render_turns(messages)}{TURN_START}"


def _render_turns(messages: Messages) -> str:
    system, turns = split_system(messages)
    header = f"{SYSTEM_START}System\n{system}\n\n" if system else f"{SYSTEM_START}System\n\n"
    return header + "".join(f"{TURN_START}{_NAMES[turn['role']]}\n{turn['content'].strip()}\n" for turn in turns)


def split_system(messages: Messages) -> tuple[str, Messages]:
    """The system prompt, empty if there is none, and the turns after it."""
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"].strip(), messages[1:]
    return "", messages


def speaker(role: str) -> str:
    """The name a role has in the template."""
    return _NAMES[role]


def messages_fault(messages: Any, *, last: str) -> Fault | None:
    """What is wrong with the `messages` of an example, if anything.

    Args:
        messages: As read from a user's file.
        last: The role the last message must have.
    """
    if not isinstance(messages, list) or not messages:
        return Fault("bad_messages", "`messages` is not a list of {role, content}")
    for number, message in enumerate(messages, start=1):
        if fault := _message_fault(message, number):
            return fault
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    expected = [("user", "assistant")[index % 2] for index in range(len(turns))]
    if turns != expected:
        number = len(roles) - len(turns) + next(i for i, role in enumerate(turns) if role != expected[i]) + 1
        return Fault("bad_order", f"message {number} is from {roles[number - 1]!r}: user and assistant alternate")
    if not turns or turns[-1] != last:
        return Fault("bad_order", f"the last message is from {roles[-1]!r}, expected {last!r}")
    return None


def _message_fault(message: Any, number: int) -> Fault | None:
    if not isinstance(message, dict) or message.get("role") not in ("system", *_NAMES):
        role = message.get("role") if isinstance(message, dict) else message
        return Fault("bad_role", f"message {number} has role {role!r}, expected system, user or assistant")
    return content_fault(message.get("content"), f"message {number}")


def content_fault(content: Any, name: str) -> Fault | None:
    """What is wrong with one content: no text, or turn markers that would open a turn of their own."""
    if not isinstance(content, str) or not content.strip():
        return Fault("empty_content", f"{name} has no text")
    if "<extra_id_" in content:
        return Fault("special_token", f"{name} contains `<extra_id_`: it would be read as a turn of its own")
    return None
