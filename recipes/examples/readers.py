"""Rows of a training file -> the line NeMo-Aligner reads, and the text it makes of it, cut where loss begins and ends.

Known forms: OpenAI's messages, ShareGPT's conversations, preferences in both, and NeMo-Aligner's own lines, which are
left as they are.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from data_prep.instruct.formats import DPO, SFT
from data_prep.instruct.shapes import Value, normal_form
from data_prep.jsonl import Fault
from recipes.examples.templates import ChatTokens, JinjaTemplate, Piece, Pieces, Template

Joining = Literal["turns", "prompt", "parts"]
"""How upstream tokenises the pieces of a text: the whole, which those of each turn must add up to; the whole, which
must begin with those of the prompt; each piece by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A row that can be used.

    Attributes:
        line: What NeMo-Aligner reads; the row itself where that is Aligner's own.
        texts: One for SFT; of a pair prompt + chosen and prompt + rejected.
        joining: How their pieces become tokens.
        is_own: Whether the row is Aligner's line already.
    """

    line: Value
    texts: tuple[Pieces, ...]
    joining: Joining
    is_own: bool


Reader = Callable[[Value], Example | Fault]


@dataclass(frozen=True, kw_only=True)
class ChatReader:
    """Conversations for GPTSFTChatDataset, or, in a Jinja template, for GPTSFTPackedDataset."""

    template: ChatTokens | JinjaTemplate

    def __call__(self, row: Value) -> Example | Fault:
        """The example of a row."""
        if isinstance(self.template, JinjaTemplate):
            messages = _messages(row)
            if isinstance(messages, Fault):
                return messages
            pieces = self.template.pieces(messages)
            if isinstance(pieces, Fault):
                return pieces
            return Example(line=row, texts=(pieces,), joining="turns", is_own=False)
        is_own = "mask" in row or _own_chat_fault(row) is None
        if is_own:
            line, fault = row, _own_chat_fault(row)
        else:
            messages = _messages(row)
            if isinstance(messages, Fault):
                return messages
            line, fault = self.template.line(messages), None
        if fault := fault or _turns_fault(line, self.template):
            return fault
        return Example(line=line, texts=(self.template.pieces(line),), joining="turns", is_own=is_own)


def _messages(row: Value) -> Sequence[dict[str, str]] | Fault:
    normal = normal_form(row)
    if isinstance(normal, Fault):
        return normal
    fault = SFT.fault(normal)
    return fault or normal["messages"]


def _own_chat_fault(row: Value) -> Fault | None:
    """What keeps GPTSFTChatDataset from reading a row: system, and at least two turns with speaker and text."""
    turns = row.get("conversations")
    if not isinstance(row.get("system"), str) or not isinstance(turns, list):
        return Fault("no_chat", 'a conversation needs "system" (may be "") and "conversations"')
    fields = itertools.product(turns, ("from", "value"))
    if not all(isinstance(turn, dict) and isinstance(turn.get(name), str) for turn, name in fields):
        return Fault("bad_turn", 'every turn needs "from" and "value"')
    masked, speakers = row.get("mask", "User"), {turn["from"] for turn in turns}
    if masked not in speakers or len(speakers) < 2:
        return Fault("no_answer", f'turns of "{masked}" (mask) and of someone who answers are needed')
    if row.get("type") == "TEXT_TO_VALUE" or any(turn.get("label") is not None for turn in turns):
        return Fault("labelled", "labelled turns (SteerLM) are not supported: remove `type` and `label`")
    return None


def _turns_fault(line: Value, template: ChatTokens) -> Fault | None:
    turns, masked = line["conversations"], line.get("mask", "User")
    if any(template.forged(text) for text in (line["system"], *(turn["value"] for turn in turns))):
        return Fault("special_token", "a text contains the marker that opens a turn: it would be read as one")
    if not any(turn["from"] != masked and turn["value"].strip() for turn in turns[1:]):
        return Fault("nothing_to_learn", "no answer has a text; the first turn is never learnt")
    return None


@dataclass(frozen=True, kw_only=True)
class PromptReader:
    """Prompt and response for GPTSFTDataset: the keys of a template, each part tokenised by itself."""

    template: str
    label_key: str
    is_space_sensitive: bool
    before: tuple[int, ...]
    """Ids before the first part, such as bos."""
    between: tuple[int, ...]
    """Ids before the response."""
    after: tuple[int, ...]
    """Ids after it, such as eos."""

    def __call__(self, row: Value) -> Example | Fault:
        """The example of a row."""
        names = re.findall(r"{(.*?)}", self.template)
        for name in names:
            if not isinstance(row.get(name), str):
                what = "label_key" if name == self.label_key else "prompt_template"
                return Fault("no_label" if name == self.label_key else "no_field", f'no key "{name}" ({what})')
        if not row[self.label_key].strip():
            return Fault("nothing_to_learn", f'"{self.label_key}" has no text')
        *prompt, response = (self._filled(part, row) for part in self._parts)
        pieces = [
            *(Piece(token, learnt=False) for token in self.before),
            *(Piece(text, learnt=False) for text in prompt),
            *(Piece(token, learnt=False) for token in self.between),
            Piece(response, learnt=True),
            *(Piece(token, learnt=True) for token in self.after),
        ]
        return Example(line=row, texts=(tuple(pieces),), joining="parts", is_own=True)

    @cached_property
    def _parts(self) -> list[str]:
        """The template cut at its keys, each with the spaces before it (GPTSFTDataset._separate_template)."""
        parts = [part for part in re.split("( *?{.+?})", self.template) if part]
        return [part[1:] if part[0] == " " and not self.is_space_sensitive else part for part in parts]

    def _filled(self, part: str, row: Value) -> str:
        key = part.lstrip(" ")
        return part[: len(part) - len(key)] + (row[key[1:-1]].strip(" ") if key.startswith("{") else key)


@dataclass(frozen=True, kw_only=True)
class PairReader:
    """Preference pairs for DPOModelDataset."""

    template: Template
    after: tuple[int, ...]
    """Ids after an answer, such as eos."""

    def __call__(self, row: Value) -> Example | Fault:
        """The example of a row."""
        if isinstance(row.get("prompt"), str) and ("chosen_response" in row or "rejected_response" in row):
            return self._example(row, is_own=True)
        normal = normal_form(_as_messages(row))
        if isinstance(normal, Fault):
            return normal
        if fault := DPO.fault(normal):
            return fault
        messages = normal["messages"]
        texts = (*(message["content"] for message in messages), normal["chosen"], normal["rejected"])
        if any(map(self.template.forged, texts)):
            return Fault("special_token", "a text contains the marker that opens a turn: it would be read as one")
        prompt, chosen = self.template.pair(messages, normal["chosen"])
        rejected = self.template.pair(messages, normal["rejected"])[1]
        rewards: Value = {name: row[name] for name in ("chosen_reward", "rejected_reward") if name in row}
        line: Value = {"prompt": prompt, "chosen_response": chosen, "rejected_response": rejected, **rewards}
        return self._example(line, is_own=False)

    def shortened(self, example: Example, answers: Sequence[str]) -> Example | Fault:
        """The pair with other, shorter answers."""
        chosen, rejected = answers
        return self._example({**example.line, "chosen_response": chosen, "rejected_response": rejected}, is_own=False)

    def _example(self, line: Value, *, is_own: bool) -> Example | Fault:
        for name in ("prompt", "chosen_response", "rejected_response"):
            if not isinstance(line.get(name), str):
                return Fault("no_pair", f"no {name}")
        prompt, answers = line["prompt"], [line["chosen_response"], line["rejected_response"]]
        if not prompt or not all(map(str.strip, answers)):
            return Fault("nothing_to_learn", "the prompt or an answer has no text")
        if answers[0].strip() == answers[1].strip():
            return Fault("chosen_equals_rejected", "chosen and rejected response are the same: nothing is preferred")
        after = tuple(Piece(token, learnt=True) for token in self.after)
        texts = tuple((Piece(prompt, learnt=False), Piece(answer, learnt=True), *after) for answer in answers)
        return Example(line=line, texts=texts, joining="prompt", is_own=is_own)


def _as_messages(row: Value) -> Value:
    """Aligner's other form of a pair, a prompt of messages, as `messages` with two answers."""
    if not isinstance(row.get("prompt"), list) or "chosen_response" not in row:
        return row
    answers = {name: _content(row.get(f"{name}_response")) for name in ("chosen", "rejected")}
    return {"messages": row["prompt"], **answers}


def _content(message: Any) -> Any:
    return message.get("content") if isinstance(message, dict) else message
