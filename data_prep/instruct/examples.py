"""Examples of one set, checked: those of the user's file, then the translations of it that were kept.

Checked here because upstream is silent or crashes hours in: SFT truncates an example that is too long and may leave
no answer to learn; DPO zeroes a pair that is too long (a whole run can sit at loss 0.693); both need the prompt's
tokens to be exactly the first tokens of prompt and response together.

An example travels as a Document whose text is its finished JSON line, so `characters` in these receipts counts JSON.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from data_prep.documents import Document, Record, Reject, compact_json
from data_prep.errors import DataError
from data_prep.files import read_shard
from data_prep.instruct.formats import FORMATS, Format, named
from data_prep.instruct.settings import InstructSettings
from data_prep.instruct.shapes import Value, normal_form
from data_prep.jsonl import BadRow, Fault, read, to_reject
from data_prep.prep_settings import OnBad
from data_prep.vocabulary import Vocabulary, load


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A usable example in its normal form, with what a Document says about it."""

    document: Document
    """Its text is the normal form as JSON."""
    value: Value
    where: str


def read_examples(
    name: str,
    path: Path,
    model: Path,
    settings: InstructSettings,
    on_bad_line: OnBad,
    translations: Path | None = None,
) -> Iterator[Record]:
    """Checked examples as Documents that hold their output line.

    Args:
        name: sft or dpo.
        path: The user's file.
        model: The tokenizer.
        settings: Of the stage.
        on_bad_line: What to do with lines that cannot be used.
        translations: Shard of kept translations in their normal form.

    Raises:
        DataError: A line is bad, or an example too long, and leaving such out was not asked for.
    """
    form, vocabulary = FORMATS[name], load(model)
    examples = _all(form, vocabulary, path, settings, on_bad_line, translations)
    for example in examples:
        if isinstance(example, Reject):
            yield example
        elif (length := _length(form, vocabulary, example.value)) <= settings.max_length:
            yield replace(example.document, text=compact_json(form.to_aligner(example.value)))
        elif settings.on_long == "drop":
            document = example.document
            yield Reject(id=document.id, reason="too_long", where=example.where, text=document.text)
        else:
            rest = [_length(form, vocabulary, later.value) for later in examples if isinstance(later, Example)]
            raise _too_long(example.where, [length, *rest], settings.max_length)


def rows(
    form: Format, path: Path, on_bad_line: OnBad, default_lang: str, vocabulary: Vocabulary | None = None
) -> Iterator[Example | Reject]:
    """The user's examples; with a tokenizer, its merges are checked too."""
    for row in read(path, partial(_fault, form, vocabulary), on_bad_line):
        if isinstance(row, BadRow):
            yield to_reject(path, row)
            continue
        value = normal_form(row.value)
        assert isinstance(value, dict)  # noqa: S101  the check has seen to it
        document = _to_document(path, value, default_lang)
        yield Example(document=document, value=value, where=f"{path}:{row.number} (id {value['id']})")


def _all(
    form: Format,
    vocabulary: Vocabulary,
    path: Path,
    settings: InstructSettings,
    on_bad_line: OnBad,
    translations: Path | None,
) -> Iterator[Example | Reject]:
    yield from rows(form, path, on_bad_line, settings.default_lang, vocabulary)
    for document in read_shard(translations) if translations else ():
        value, where = json.loads(document.text), f"{translations} (id {document.id})"
        if fault := _merged(form, vocabulary, value):
            yield Reject(id=document.id, reason=fault.reason, where=f"{where}: {fault.detail}", text=document.text)
        else:
            yield Example(document=document, value=value, where=where)


def _fault(form: Format, vocabulary: Vocabulary | None, value: Value) -> Fault | None:
    if fault := form.row_fault(value):
        return fault
    normal = normal_form(value)
    assert isinstance(normal, dict)  # noqa: S101  row_fault has seen to it
    return named(normal, _merged(form, vocabulary, normal)) if vocabulary else None


def _merged(form: Format, vocabulary: Vocabulary, value: Value) -> Fault | None:
    prompt, *completed = vocabulary.encode_prompts([form.prompt(value), *form.completed(value)])
    for ids in completed:
        if ids[: len(prompt)] != prompt:
            return Fault("merged_prompt", "the tokenizer merges the end of the prompt with the start of the response")
    return None


def _length(form: Format, vocabulary: Vocabulary, value: Value) -> int:
    """Tokens of the longest response with its prompt."""
    return max(map(len, vocabulary.encode_prompts(form.completed(value))))


def _too_long(where: str, lengths: list[int], limit: int) -> DataError:
    count = sum(length > limit for length in lengths)
    return DataError(
        f"{count} example(s) have more tokens than instruct.max_length={limit}; the longest has {max(lengths)}",
        where=f"the first is {where}",
        why="upstream would cut the answer off (SFT) or silently ignore the pair (DPO)",
        fix="instruct.on_long=drop leaves such examples out, counts them and keeps them with the rejects\n"
        f"instruct.max_length={max(lengths)} if the training sequence length allows it",
    )


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
