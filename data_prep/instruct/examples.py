"""Examples of one set, checked: those of the user's file, or the translations of it that were kept.

Checked here because upstream is silent or crashes hours in: SFT truncates an example that is too long and may leave
no answer to learn; DPO zeroes a pair that is too long (a whole run can sit at loss 0.693); both need the prompt's
tokens to be exactly the first tokens of prompt and response together.

An example travels as a Document whose text is its finished JSON line, so `characters` in these receipts counts JSON.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from data_prep.documents import Document, Record, Reject, compact_json
from data_prep.errors import DataError
from data_prep.files import read_shard
from data_prep.instruct.formats import FORMATS, Format, named
from data_prep.instruct.settings import InstructSettings
from data_prep.instruct.shapes import Value, normal_form
from data_prep.jsonl import BadRow, Fault, Row, enforce, read, to_reject
from data_prep.parts import WHOLE, Part
from data_prep.prep_settings import OnBad
from data_prep.vocabulary import Ids, Vocabulary, load

_BATCH = 256
"""Examples encoded together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A usable example in its normal form, with what a Document says about it."""

    document: Document
    """Its text is the normal form as JSON."""
    value: Value
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """An example whose prompt the tokenizer keeps apart from the response."""

    example: Example
    length: int
    """Tokens of the longest response with its prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _MeasuredRow(Row):
    length: int


def read_examples(
    name: str,
    path: Path,
    model: Path,
    settings: InstructSettings,
    on_bad_line: OnBad,
    part: Part = WHOLE,
) -> Iterator[Record]:
    """Checked examples of the user's file, or of a part of it, as Documents that hold their output line.

    Args:
        name: sft or dpo.
        path: The user's file.
        model: The tokenizer.
        settings: Of the stage.
        on_bad_line: What to do with lines that cannot be used.
        part: Of the file.

    Raises:
        DataError: A line is bad, or an example too long, and leaving such out was not asked for.
    """
    form = FORMATS[name]
    measured = _measure(form, load(model), read(path, form.row_fault, "reject", part))
    found = (_named(path, row, settings.default_lang) for row in enforce(measured, str(path), on_bad_line, part))
    return _finished(form, found, settings, str(part))


def read_translations(name: str, shard: Path, model: Path, settings: InstructSettings) -> Iterator[Record]:
    """Kept translations, from the shard of their normal forms, held to the same length as `read_examples`."""
    form = FORMATS[name]
    return _finished(form, _measured_translations(form, load(model), shard), settings, "the translations")


def _finished(
    form: Format, examples: Iterator[Measured | Reject], settings: InstructSettings, among: str
) -> Iterator[Record]:
    """Output lines of the examples that are short enough."""
    for found in examples:
        if isinstance(found, Reject):
            yield found
            continue
        document, where = found.example.document, found.example.where
        if found.length <= settings.max_length:
            yield replace(document, text=compact_json(form.to_aligner(found.example.value)))
        elif settings.on_long == "drop":
            yield Reject(id=document.id, reason="too_long", where=where, text=document.text)
        else:
            rest = [later.length for later in examples if isinstance(later, Measured)]
            raise _too_long(where, [found.length, *rest], settings.max_length, among)


def rows(form: Format, path: Path, on_bad_line: OnBad, default_lang: str) -> Iterator[Example | Reject]:
    """The user's examples, not held to a tokenizer."""
    for row in read(path, form.row_fault, on_bad_line):
        yield to_reject(path, row) if isinstance(row, BadRow) else _example(path, row, default_lang)


def _named(path: Path, row: Row | BadRow, default_lang: str) -> Measured | Reject:
    if isinstance(row, BadRow):
        return to_reject(path, row)
    assert isinstance(row, _MeasuredRow)  # noqa: S101  `_measure` makes no others
    return Measured(example=_example(path, row, default_lang), length=row.length)


def _measure(form: Format, vocabulary: Vocabulary, found: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Good rows with their lengths; those whose prompt merges with the response are bad."""
    while batch := list(islice(found, _BATCH)):
        lengths = iter(_lengths(form, vocabulary, [_normal(row) for row in batch if isinstance(row, Row)]))
        for row in batch:
            if isinstance(row, BadRow):
                yield row
            elif isinstance(length := next(lengths), Fault):
                fault = named(_normal(row), length)
                assert fault  # noqa: S101  `named` has one to name
                yield BadRow(number=row.number, fault=fault, raw=compact_json(row.value).encode())
            else:
                yield _MeasuredRow(number=row.number, value=row.value, length=length)


def _measured_translations(form: Format, vocabulary: Vocabulary, shard: Path) -> Iterator[Measured | Reject]:
    documents = read_shard(shard)
    while batch := list(islice(documents, _BATCH)):
        values = [json.loads(document.text) for document in batch]
        for document, value, length in zip(batch, values, _lengths(form, vocabulary, values), strict=True):
            where = f"{shard} (id {document.id})"
            if isinstance(length, Fault):
                where = f"{where}: {length.detail}"
                yield Reject(id=document.id, reason=length.reason, where=where, text=document.text)
            else:
                yield Measured(example=Example(document=document, value=value, where=where), length=length)


def _lengths(form: Format, vocabulary: Vocabulary, values: Sequence[Value]) -> list[int | Fault]:
    texts = [(form.prompt(value), *form.completed(value)) for value in values]
    ids = iter(vocabulary.encode_prompts(list(chain.from_iterable(texts))))
    return [_length(next(ids), list(islice(ids, len(each) - 1))) for each in texts]


def _length(prompt: Ids, completed: Sequence[Ids]) -> int | Fault:
    if any(ids[: len(prompt)] != prompt for ids in completed):
        return Fault("merged_prompt", "the tokenizer merges the end of the prompt with the start of the response")
    return max(map(len, completed))


def _too_long(where: str, lengths: list[int], limit: int, among: str) -> DataError:
    count = sum(length > limit for length in lengths)
    return DataError(
        f"{count} example(s) in {among} have more tokens than instruct.max_length={limit}; the longest has "
        f"{max(lengths)}",
        where=f"the first is {where}",
        why="upstream would cut the answer off (SFT) or silently ignore the pair (DPO)",
        fix="instruct.on_long=drop leaves such examples out, counts them and keeps them with the rejects\n"
        f"instruct.max_length={max(lengths)} if the training sequence length allows it",
    )


def _normal(row: Row) -> Value:
    value = normal_form(row.value)
    assert isinstance(value, dict)  # noqa: S101  the check has seen to it
    return value


def _example(path: Path, row: Row, default_lang: str) -> Example:
    value = _normal(row)
    document = _to_document(path, value, default_lang)
    return Example(document=document, value=value, where=f"{path}:{row.number} (id {value['id']})")


def _to_document(path: Path, value: Value, default_lang: str) -> Document:
    return Document(
        id=str(value["id"]),
        text=compact_json(value),
        lang=str(value.get("lang", default_lang)),
        kind="real",
        source=path.name.partition(".")[0],
        license=str(value.get("license", "")),
        parent_id=None,
        group=str(value.get("pair") or value["id"]),
    )
