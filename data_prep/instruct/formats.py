"""SFT and DPO: what makes an example usable, the texts a model learns from, and NeMo-Aligner's line."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from data_prep.chat_template import (
    END_OF_RESPONSE,
    content_fault,
    messages_fault,
    render_conversation,
    render_prompt,
    speaker,
    split_system,
)
from data_prep.instruct.shapes import Value, is_aligner, normal_form
from data_prep.jsonl import Fault
from data_prep.translate.chat import contents, with_contents


@dataclass(frozen=True, kw_only=True)
class Format:
    """One of the two kinds of instruction data; all functions take the normal form of an example."""

    name: str
    """sft or dpo: how the output files start."""
    answers: tuple[str, ...]
    """Keys of texts beside the messages."""
    fault: Callable[[Value], Fault | None]
    """What makes an example unusable."""
    prompt: Callable[[Value], str]
    """The text before the response that is learnt."""
    completed: Callable[[Value], tuple[str, ...]]
    """Prompt and response together, for each response."""
    to_aligner: Callable[[Value], Value]
    """The output line."""

    def row_fault(self, value: Value) -> Fault | None:
        """What makes an input line, in whatever form, unusable; names the example."""
        normal = normal_form(value)
        if isinstance(normal, Fault):
            return named(value, normal)
        return named(normal, self.fault(normal))

    def texts(self, value: Value) -> list[str]:
        """All that people read: the contents of the messages, then the answers."""
        return [*contents(value["messages"]), *(value[name] for name in self.answers)]

    def text_names(self, value: Value) -> list[str]:
        """How error messages and rejects call each of `texts`."""
        return [f"message {number}" for number in range(1, len(value["messages"]) + 1)] + list(self.answers)

    def with_texts(self, value: Value, texts: Iterable[str]) -> Value:
        """The example with other texts; roles, order and all other keys stay."""
        given = list(texts)
        count = len(value["messages"])
        answers = dict(zip(self.answers, given[count:], strict=True))
        return {**value, "messages": with_contents(value["messages"], given[:count]), **answers}


def named(value: Value, fault: Fault | None) -> Fault | None:
    """Name the example in the fault, or find that it has no name."""
    name = value.get("id", value.get("prompt_id"))
    if isinstance(name, str | int):
        return fault and Fault(fault.reason, f"{fault.detail} (id {name})")
    return fault if is_aligner(value) else Fault("missing_id", "the example has no `id`")


def _sft_fault(value: Value) -> Fault | None:
    return messages_fault(value.get("messages"), last="assistant")


def _to_sft(value: Value) -> Value:
    """Aligner writes `system` and one newline; the template has an empty line after a system prompt."""
    system, turns = split_system(value["messages"])
    conversations = [{"from": speaker(turn["role"]), "value": turn["content"].strip()} for turn in turns]
    return {"system": f"{system}\n" if system else "", "conversations": conversations, "mask": "User", "type": None}


SFT = Format(
    name="sft",
    answers=(),
    fault=_sft_fault,
    prompt=lambda value: render_prompt(value["messages"][:-1]),
    completed=lambda value: (render_conversation(value["messages"]),),
    to_aligner=_to_sft,
)


def _dpo_fault(value: Value) -> Fault | None:
    fault = (
        messages_fault(value.get("messages"), last="user")
        or content_fault(value.get("chosen"), "chosen")
        or content_fault(value.get("rejected"), "rejected")
    )
    if not fault and value["chosen"].strip() == value["rejected"].strip():
        return Fault("chosen_equals_rejected", "chosen and rejected are the same: nothing is preferred")
    return fault


def _to_dpo(value: Value) -> Value:
    return {
        "prompt": render_prompt(value["messages"]),
        "chosen_response": _close(value["chosen"]),
        "rejected_response": _close(value["rejected"]),
    }


def _close(response: str) -> str:
    return response.strip() + END_OF_RESPONSE


DPO = Format(
    name="dpo",
    answers=("chosen", "rejected"),
    fault=_dpo_fault,
    prompt=lambda value: render_prompt(value["messages"]),
    completed=lambda value: tuple(
        render_prompt(value["messages"]) + _close(value[name]) for name in ("chosen", "rejected")
    ),
    to_aligner=_to_dpo,
)

FORMATS = {form.name: form for form in (SFT, DPO)}
