"""The forms in which instruction data comes, brought to one: `messages`, and for preferences `chosen` and `rejected`.

Known by their keys:
    messages                                   OpenAI; preferences have `chosen` and `rejected` beside it
    chosen, rejected as lists of messages      UltraFeedback and TRL: the prompt in both lists, or in `messages`
    conversations                              ShareGPT (from human, gpt, system) and NeMo-Aligner's SFT lines;
                                               preferences have `chosen` and `rejected` beside it, a text or a turn
    prompt, chosen_response, rejected_response NeMo-Aligner's DPO lines, the prompt in the template
"""

import hashlib
import json
from typing import Any

from data_prep.chat_template import END_OF_RESPONSE, SYSTEM_START, TURN_START
from data_prep.jsonl import Fault

Value = dict[str, Any]

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_OPENING = f"{SYSTEM_START}System\n"
_ASKED = "Assistant\n"


def normal_form(value: Value) -> Value | Fault:
    """An example with `id` and `messages`, whatever form it came in; other keys stay.

    Messages are not looked into: that is `messages_fault`'s work.
    """
    if "conversations" in value:
        return _from_conversations(value)
    if "chosen_response" in value or "rejected_response" in value:
        return _from_aligner_pair(value)
    if isinstance(value.get("chosen"), list) or isinstance(value.get("rejected"), list):
        return _from_lists(value)
    return _with_id(value, value)


def is_aligner(value: Value) -> bool:
    """Whether a row is a line of NeMo-Aligner's own."""
    return any(key in value for key in ("mask", "chosen_response", "rejected_response"))


def _from_conversations(value: Value) -> Value | Fault:
    turns, system = value["conversations"], value.get("system")
    if not isinstance(turns, list):
        return Fault("bad_messages", "`conversations` is not a list of {from, value}")
    if (value.get("mask") or "User") != "User":
        return Fault("bad_messages", f"`mask` is {value['mask']!r}: only answers are learnt here, expected 'User'")
    if value.get("type") is not None:
        return Fault("bad_messages", f"`type` is {value['type']!r}: labelled turns (SteerLM) are not supported")
    messages = [_message(turn) for turn in turns]
    if isinstance(system, str) and system.strip():
        messages.insert(0, {"role": "system", "content": system.strip()})
    rest = {key: value[key] for key in value if key not in ("conversations", "system", "mask", "type")}
    answers = {key: _message(rest[key])["content"] for key in ("chosen", "rejected") if isinstance(rest.get(key), dict)}
    return _with_id(value, {**rest, "messages": messages, **answers})


def _message(turn: Any) -> Any:
    if not isinstance(turn, dict):
        return turn
    speaker = turn.get("from")
    role = _ROLES.get(speaker.lower(), speaker) if isinstance(speaker, str) else speaker
    return {"role": role, "content": turn.get("value")}


def _from_aligner_pair(value: Value) -> Value | Fault:
    prompt = value.get("prompt")
    turns = prompt.split(TURN_START) if isinstance(prompt, str) else []
    if not turns or not turns[0].startswith(_OPENING) or turns[-1] != _ASKED:
        return Fault("bad_messages", "`prompt` is not a prompt of the chat template, from System to Assistant")
    system = turns[0].removeprefix(_OPENING).strip()
    messages: list[Any] = [{"role": "system", "content": system}] if system else []
    for turn in turns[1:-1]:
        name, _, content = turn.partition("\n")
        messages.append({"role": _ROLES.get(name.lower(), name), "content": content.strip()})
    answers = {key: _opened(value.get(f"{key}_response")) for key in ("chosen", "rejected")}
    rest = {key: value[key] for key in value if key not in ("prompt", "chosen_response", "rejected_response")}
    return _with_id(value, {**rest, "messages": messages, **answers})


def _opened(response: Any) -> Any:
    """A response without the marker that ends it."""
    return response.removesuffix(END_OF_RESPONSE) if isinstance(response, str) else response


def _from_lists(value: Value) -> Value | Fault:
    prompts, answers = [], {}
    for key in ("chosen", "rejected"):
        turns = value.get(key)
        if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
            return Fault("bad_messages", f"`{key}` is not a list of {{role, content}} as the other answer is")
        if (role := turns[-1].get("role")) != "assistant":
            return Fault("bad_order", f"the last message of {key} is from {role!r}, expected 'assistant'")
        prompts.append(turns[:-1])
        answers[key] = turns[-1].get("content")
    if prompts[0] != prompts[1]:
        return Fault("bad_messages", "chosen and rejected answer different prompts")
    return _with_id(value, {**value, "messages": prompts[0] or value.get("messages"), **answers})


def _with_id(given: Value, made: Value) -> Value:
    """NeMo-Aligner's lines have no id: they are named by a hash of their content."""
    if "id" in made:
        return made
    if "prompt_id" in made:
        return {**made, "id": made["prompt_id"]}
    if is_aligner(given):
        canonical = json.dumps(given, ensure_ascii=False, sort_keys=True)
        return {**made, "id": hashlib.sha256(canonical.encode()).hexdigest()[:16]}
    return made
