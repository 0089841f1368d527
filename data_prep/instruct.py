"""Stage instruct: chat examples and preference pairs -> the JSONL NeMo-Aligner trains on.

Checked here because upstream is silent or crashes hours in: SFT truncates an example that is too long and may leave
no answer to learn; DPO zeroes a pair that is too long (a whole run can sit at loss 0.693); both need the prompt's
tokens to be exactly the first tokens of prompt and response together.

An example travels as a Document whose text is its finished JSON line, so `characters` in these receipts counts JSON.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.chat_template import (
    END_OF_RESPONSE,
    content_fault,
    messages_fault,
    render_conversation,
    render_prompt,
    speaker,
    split_system,
)
from data_prep.documents import Document, Record, Reject, compact_json, split_of
from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.jsonl import BadRow, Fault, Row, check_start, read, to_reject
from data_prep.layout import Layout, resolve_input
from data_prep.prep_settings import InstructSettings, OnBad, PrepSettings
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, split_off_rejects
from data_prep.tokenizer import load

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

Value = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One of the two kinds of instruction data."""

    name: str
    """sft or dpo: how the output files start."""
    fault: Callable[[Value], Fault | None]
    """What makes an input line unusable."""
    prompt: Callable[[Value], str]
    """The text before the response that is learnt."""
    completed: Callable[[Value], tuple[str, ...]]
    """Prompt and response together, for each response."""
    to_aligner: Callable[[Value], Value]
    """The output line."""


def _sft_fault(value: Value) -> Fault | None:
    return _with_id(value, messages_fault(value.get("messages"), last="assistant"))


def _to_sft(value: Value) -> Value:
    """Aligner writes `system` and one newline; the template has an empty line after a system prompt."""
    system, turns = split_system(value["messages"])
    conversations = [{"from": speaker(turn["role"]), "value": turn["content"].strip()} for turn in turns]
    return {"system": f"{system}\n" if system else "", "conversations": conversations, "mask": "User", "type": None}


SFT = Format(
    name="sft",
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
        fault = Fault("chosen_equals_rejected", "chosen and rejected are the same: nothing is preferred")
    return _with_id(value, fault)


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
    fault=_dpo_fault,
    prompt=lambda value: render_prompt(value["messages"]),
    completed=lambda value: tuple(
        render_prompt(value["messages"]) + _close(value[name]) for name in ("chosen", "rejected")
    ),
    to_aligner=_to_dpo,
)


def _with_id(value: Value, fault: Fault | None) -> Fault | None:
    """Name the example in the fault, or find that it has no name."""
    name = value.get("id")
    if not isinstance(name, str | int):
        return Fault("missing_id", "the example has no `id`")
    return fault and Fault(fault.reason, f"{fault.detail} (id {name})")


def stage(settings: PrepSettings) -> Stage:
    """One task per file that is configured."""
    tasks = tuple(_task(settings, form, path) for form, path in _files(settings.instruct))
    return Stage(name="instruct", steps=(Step(name="examples", tasks=tasks),))


def check(settings: PrepSettings) -> None:
    """Refuse missing, empty or malformed input before any work."""
    for form, path in _files(settings.instruct):
        check_start(path, form.fault, settings.on_bad_line)


def _files(settings: InstructSettings) -> list[tuple[Format, Path]]:
    pairs = [(SFT, settings.chat), (DPO, settings.preferences)]
    return [(form, resolve_input(path)) for form, path in pairs if path]


def _task(settings: PrepSettings, form: Format, path: Path) -> Task:
    layout, instruct = settings.layout, settings.instruct
    return Task(
        name=form.name,
        settings={
            "max_length": instruct.max_length,
            "on_long": instruct.on_long,
            "validation_fraction": instruct.validation_fraction,
            "on_bad_line": settings.on_bad_line,
        },
        inputs=(path, layout.tokenizer),
        receipt=layout.instruct_receipt(form.name),
        read=partial(read_examples, form.name, path, layout.tokenizer, instruct, settings.on_bad_line),
        write=partial(_write_examples, layout, form.name, instruct.validation_fraction),
    )


def read_examples(
    name: str, path: Path, model: Path, settings: InstructSettings, on_bad_line: OnBad
) -> Iterator[Record]:
    """Checked examples as Documents that hold their output line."""
    form = {"sft": SFT, "dpo": DPO}[name]
    processor = load(model)
    rows = read(path, partial(_row_fault, form, processor), on_bad_line)
    for row in rows:
        if isinstance(row, BadRow):
            yield to_reject(path, row)
        elif (length := _length(form, processor, row)) <= settings.max_length:
            yield _to_document(form, path, row)
        elif settings.on_long == "drop":
            text = compact_json(row.value)
            yield Reject(id=str(row.value["id"]), reason="too_long", where=_where(path, row), text=text)
        else:
            rest = [_length(form, processor, later) for later in rows if isinstance(later, Row)]
            raise _too_long(_where(path, row), [length, *rest], settings.max_length)


def _length(form: Format, processor: "SentencePieceProcessor", row: Row) -> int:
    """Tokens of the longest response with its prompt."""
    return max(len(processor.encode(text)) for text in form.completed(row.value))


def _where(path: Path, row: Row) -> str:
    return f"{path}:{row.number} (id {row.value['id']})"


def _row_fault(form: Format, processor: "SentencePieceProcessor", value: Value) -> Fault | None:
    if fault := form.fault(value):
        return fault
    prompt = processor.encode(form.prompt(value))
    for text in form.completed(value):
        if processor.encode(text)[: len(prompt)] != prompt:
            detail = "the tokenizer merges the end of the prompt with the start of the response"
            return _with_id(value, Fault("merged_prompt", detail))
    return None


def _too_long(where: str, lengths: list[int], limit: int) -> DataError:
    count = sum(length > limit for length in lengths)
    return DataError(
        f"{count} example(s) have more tokens than instruct.max_length={limit}; the longest has {max(lengths)}",
        where=f"the first is {where}",
        why="upstream would cut the answer off (SFT) or silently ignore the pair (DPO)",
        fix="instruct.on_long=drop leaves such examples out, counts them and keeps them with the rejects\n"
        f"instruct.max_length={max(lengths)} if the training sequence length allows it",
    )


def _to_document(form: Format, path: Path, row: Row) -> Document:
    value = row.value
    return Document(
        id=str(value["id"]),
        text=compact_json(form.to_aligner(value)),
        lang=str(value.get("lang", "und")),
        kind="real",
        source=path.name.partition(".")[0],
        license=str(value.get("license", "")),
        parent_id=None,
        group=str(value.get("pair") or value["id"]),
    )


def _write_examples(
    layout: Layout, name: str, validation_fraction: float, records: Iterable[Record], _tally: Tally
) -> Written:
    outputs = tuple(layout.instruct(name, split) for split in ("train", "validation"))
    rejects = layout.rejects("instruct", name, "00000")
    counts = {"train": 0, "heldout": 0}
    with atomic_write(outputs[0]) as train, atomic_write(outputs[1]) as validation:
        for document in split_off_rejects(records, rejects):
            split = split_of(document.group, validation_fraction)
            counts[split] += 1
            (train if split == "train" else validation).write(document.text.encode() + b"\n")
        _require_both(name, counts, validation_fraction)
    return Written(outputs=(*outputs, rejects), details={"train": counts["train"], "validation": counts["heldout"]})


def _require_both(name: str, counts: dict[str, int], fraction: float) -> None:
    if not all(counts.values()):
        raise DataError(
            f"{name}: {counts['train']} training and {counts['heldout']} validation examples",
            where=f"instruct.validation_fraction={fraction}",
            why="NeMo-Aligner needs at least one of each",
            fix="instruct.validation_fraction=0.3, or more examples",
        )
