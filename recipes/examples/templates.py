"""How a conversation becomes text: turn markers as NeMo-Aligner has them, or a Jinja template.

A text is cut where loss begins and ends, so that its tokens can be told apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from jinja2 import StrictUndefined, TemplateError
from jinja2.exceptions import UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data_prep.chat_template import SYSTEM_START, TURN_START, Messages
from data_prep.errors import UsageError
from data_prep.instruct.formats import SFT
from data_prep.instruct.shapes import Value
from data_prep.jsonl import Fault

TEMPLATE_KEY = "langadapt.examples.template"


class Piece(NamedTuple):
    """Part of a text, or a single token that has no text, and whether loss falls on it."""

    text: str | int
    learnt: bool


Pieces = tuple[Piece, ...]


class Template(Protocol):
    """What SFT and DPO need of a template; messages are OpenAI's, checked."""

    def pair(self, messages: Messages, answer: str) -> tuple[str, str]:
        """The text before an answer, and the answer as it is learnt."""

    def forged(self, content: str) -> bool:
        """Whether a content would be read as a turn of its own."""


@dataclass(frozen=True, kw_only=True)
class ChatTokens:
    """NeMo's `chat_prompt_tokens`; the defaults are Nemotron's template.

    Upstream: nemo 2.1.0, gpt_sft_chat_dataset.py, `_add_speaker_and_signal` and `_mask_targets`.
    """

    system_turn_start: str = SYSTEM_START
    turn_start: str = TURN_START
    label_start: str = "<extra_id_2>"
    end_of_turn: str = "\n"
    end_of_name: str = "\n"

    def line(self, messages: Messages) -> Value:
        """Aligner's SFT line of a conversation; only Nemotron's template has an empty line after a system prompt."""
        line = SFT.to_aligner({"messages": messages})
        return line if self == NEMOTRON else {**line, "system": line["system"].strip()}

    def pieces(self, line: Value) -> Pieces:
        """The text GPTSFTChatDataset makes of a line, cut as it masks it.

        Learnt is what follows the name of a speaker that is not masked, up to and with the marker of the next turn;
        the first turn never is.
        """
        masked, turns = line.get("mask", "User"), line["conversations"]
        pieces = [Piece(self._header(line["system"]), learnt=False)]
        for number, turn in enumerate(turns):
            name, rest = turn["from"] + self.end_of_name, turn["value"] + self.end_of_turn
            if number == 0:
                pieces.append(Piece(self.turn_start + name + rest, learnt=False))
            elif turn["from"] == masked:
                pieces += [Piece(self.turn_start, learnt=number > 1), Piece(name + rest, learnt=False)]
            else:
                pieces += [Piece(self.turn_start + name, learnt=False), Piece(rest, learnt=True)]
        if turns[-1]["from"] != masked:
            pieces.append(Piece(self.turn_start, learnt=True))
        return tuple(pieces)

    def pair(self, messages: Messages, answer: str) -> tuple[str, str]:
        """The text before an answer, and the answer closed by the next turn's marker."""
        line = self.line(messages)
        turns = [
            self.turn_start + turn["from"] + self.end_of_name + turn["value"] + self.end_of_turn
            for turn in line["conversations"]
        ]
        asked = f"{self.turn_start}Assistant{self.end_of_name}"
        return self._header(line["system"]) + "".join(
            turns
        ) + asked, answer.strip() + self.end_of_turn + self.turn_start

    def forged(self, content: str) -> bool:
        """Whether a content holds the marker of a turn."""
        return self.turn_start in content or self.system_turn_start in content

    def _header(self, system: str) -> str:
        return f"{self.system_turn_start}System{self.end_of_name}{system}{self.end_of_turn}"


NEMOTRON = ChatTokens()


class JinjaTemplate:
    """A chat template as Hugging Face tokenizers have it: `messages`, `add_generation_prompt`, bos_token, eos_token."""

    def __init__(self, path: Path, special: Mapping[str, str]) -> None:
        """Reads the template at `path`; a token that `special` does not name cannot be used in it."""
        if not path.is_file():
            raise UsageError(f"the chat template {path} does not exist", where=TEMPLATE_KEY, fix="check the path")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
        try:
            self._render: Callable[..., str] = environment.from_string(path.read_text("utf-8"), dict(special)).render
        except TemplateError as error:
            raise UsageError(f"{path} is no Jinja template: {error}", where=TEMPLATE_KEY, fix="mend it") from error
        self._where = path

    def pieces(self, messages: Messages) -> Pieces | Fault:
        """The text of a conversation, every answer learnt: what the template adds to the prompt it answers."""
        done, pieces = "", []
        for end, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt, answered = self._text(messages[:end], asks=True), self._text(messages[: end + 1])
            if not prompt.startswith(done) or not answered.startswith(prompt):
                return Fault("bad_line", f"the template changes what came before message {end + 1} once it is added")
            pieces += [Piece(prompt[len(done) :], learnt=False), Piece(answered[len(prompt) :], learnt=True)]
            done = answered
        return tuple(pieces)

    def pair(self, messages: Messages, answer: str) -> tuple[str, str]:
        """The text before an answer, and what the template adds when it is given."""
        prompt = self._text(messages, asks=True)
        answered = self._text([*messages, {"role": "assistant", "content": answer}])
        if not answered.startswith(prompt):
            raise self._error("an answer is not an addition to its prompt")
        return prompt, answered[len(prompt) :]

    def forged(self, content: str) -> bool:  # noqa: ARG002
        """Nothing is known of a template's markers."""
        return False

    def _text(self, messages: Messages, *, asks: bool = False) -> str:
        stripped = [{**message, "content": message["content"].strip()} for message in messages]
        try:
            return self._render(messages=stripped, add_generation_prompt=asks)
        except UndefinedError as error:
            raise self._error(f"{error}; it may use messages, add_generation_prompt and, of Hugging Face tokenizers, "
                              "bos_token and eos_token") from error  # fmt: skip
        except TemplateError as error:
            raise self._error(str(error)) from error

    def _error(self, what: str) -> UsageError:
        return UsageError(
            f"the chat template cannot be used: {what}", where=f"{TEMPLATE_KEY}={self._where}", fix="mend it"
        )


def chat_tokens(values: Mapping[str, Any] | None) -> ChatTokens:
    """`model.data.chat_prompt_tokens` of a configuration or a checkpoint; Nemotron's where there are none."""
    return ChatTokens(**{str(name): str(value) for name, value in (values or {}).items()})
