"""Evaluation items: what their texts are, whatever the schema of the file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data_prep.decontaminate import eval_files
from data_prep.decontaminate.settings import EvalSet
from data_prep.errors import UsageError

METADATA = re.compile(
    r"(.*_)?(ids?|idx|ind|index|uuid|hash|no|number|labels?|key|lang|language|locale|script|urls?|link|license|source"
    r"|dataset|split|subset|config|subject|category|domain|topic|task|type|difficulty|level|date|year|author|metadata)"
    r"|answer_?key|gold|correct(_option|_answer_num)?|version|tags?",
    re.IGNORECASE,
)
"""Fields that describe an item and are not its text."""

_LABEL = re.compile(r"\s*\(?[A-Ja-j0-9]?[).]?\s*")
"""A letter or digit that names a choice: no part of the text a leak would hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question, pair or passage of an evaluation set."""

    eval_set: str
    id: str
    texts: tuple[str, ...]
    """Its parts, in order: question, each choice, context, ..."""
    fields: tuple[str, ...] = ()
    """The fields they came from, for the receipt: what a set was searched for must not be a guess."""


def read_items(eval_set: EvalSet) -> Iterator[Item]:
    """The items of a set.

    Raises:
        UsageError: The files are not there, or a named field is not in them.
        DataError: A file or one of its rows cannot be used.
    """
    numbered = eval_set.fields is not None and all(name.isdecimal() for name in eval_set.fields)
    for path in eval_files.files(eval_set.input):
        for row in eval_files.rows(path, has_header=not numbered):
            yield item_of(eval_set, row)


def _text_fields(eval_set: EvalSet, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a row that count as text, in order."""
    if eval_set.fields is not None:
        return eval_set.fields
    return tuple(name for name, value in row.items() if not METADATA.fullmatch(name) and any(_texts(value)))


def item_of(eval_set: EvalSet, row: eval_files.Row) -> Item:
    """What a row asks, by the set's own fields or by those that hold text.

    Raises:
        UsageError: A named field is not in it.
        DataError: It has no text.
    """
    fields = _text_fields(eval_set, row.value)
    texts = [text for name in fields for text in _texts(_field(eval_set, row, name))]
    if not texts:
        known = ", ".join(row.value)
        raise eval_files.bad_row(
            "this item has no text",
            f"item {row.where} of evaluation set {eval_set.name}",
            f"name the fields that hold it: fields: [...]; fields here: {known}\nor remove the item",
        )
    id_field = eval_set.id_field
    return Item(
        eval_set=eval_set.name,
        id=str(_field(eval_set, row, id_field)) if id_field else row.where,
        texts=tuple(texts),
        fields=fields,
    )


def _field(eval_set: EvalSet, row: eval_files.Row, name: str) -> Any:
    if name not in row.value:
        raise UsageError(
            f"no field {name!r} in this item",
            where=f"item {row.where} of evaluation set {eval_set.name}: {eval_set.input}",
            why="its text would not be looked for",
            fix=f"fields here: {', '.join(row.value)}",
        )
    return row.value[name]


def _texts(value: Any) -> Iterator[str]:
    """The strings in a value, however deep in lists and mappings, without the labels of choices."""
    if isinstance(value, str):
        if not _LABEL.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not METADATA.fullmatch(name):
                yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
