"""Texts to read, from the heads of a few shards: the same ones in every run, in bounded memory.

Of a shard at most HEAD_LINES documents and HEAD_BYTES are read, of texts at most TEXT_CHARACTERS kept.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard

from data_prep.audit.sources import Found
from data_prep.errors import DataError
from data_prep.files import open_binary

HEAD_LINES = 2_000
HEAD_BYTES = 16_000_000
SHARDS = 3
"""Shards whose heads are read, for each dataset and for each drop reason of a stage."""
TEXT_CHARACTERS = 300

Text = dict[str, str]


def head(path: Path) -> Iterator[dict[str, Any]]:
    """The first records of a shard; nothing of one that is gone.

    Raises:
        DataError: The shard is damaged.
    """
    if not path.is_file():
        return
    size = 0
    try:
        with open_binary(path) as lines:
            for line in islice(lines, HEAD_LINES):
                yield json.loads(line)
                size += len(line)
                if size > HEAD_BYTES:
                    return
    except (OSError, EOFError, ValueError, zstandard.ZstdError) as error:
        raise DataError(
            f"cannot read this shard: {error}",
            where=str(path),
            why="the audit shows samples from its beginning",
            fix=f"delete {path} and run `langadapt prep` again: it is made anew",
        ) from error


def excerpt(text: str) -> str:
    """The beginning of a text; not cut between a letter and its marks when a space is near."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    words, space, _ = text[:TEXT_CHARACTERS].rpartition(" ")
    return f"{words if space else text[:TEXT_CHARACTERS]} …"


def smallest(records: Iterable[dict[str, Any]], count: int, key: str) -> list[dict[str, Any]]:
    """The records whose `key` has the smallest hashes: a choice no order of shards or records changes."""
    return heapq.nsmallest(count, records, key=lambda each: (_hash(each[key]), each["id"]))


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def dropped(found: Iterable[Found], reason: str, count: int) -> list[Text]:
    """Some of what a stage left out for one reason, from the first shards whose receipts count it."""
    holding = (each for each in found if each.receipt.counts["dropped"].get(reason) and each.rejects)
    shown = (
        _reject(record, each.dataset)
        for each in islice(holding, SHARDS if count else 0)
        for record in head(each.rejects or Path())
        if record["reason"] == reason
    )
    return smallest(shown, count, "id")


def _reject(record: dict[str, Any], dataset: str) -> Text:
    return {
        "id": excerpt(record["id"]),
        "dataset": dataset,
        "where": excerpt(record["where"]),
        "text": excerpt(record["text"]),
    }


def documents(found: list[Found], parents: list[Found], count: int) -> list[dict[str, Any]]:
    """Some finished documents of a dataset, each with the text it was made from if that is in a head too.

    Chosen by group, so that datasets with texts in common show the same ones.
    """
    shards = [each.documents("train") for each in found[:SHARDS]] if count else []
    chosen = smallest(
        (
            {name: record[name] for name in ("id", "group", "parent_id")} | {"text": excerpt(record["text"])}
            for path in shards
            for record in head(path)
        ),
        count,
        "group",
    )
    wanted = {record["parent_id"] for record in chosen if record["parent_id"]}
    originals = texts(wanted, (each.documents("train") for each in _same_shards(found[:SHARDS], parents)))
    return [
        {"id": each["id"], "text": each["text"], "parent_id": each["parent_id"]}
        | ({"parent": originals.get(each["parent_id"])} if each["parent_id"] else {})
        for each in chosen
    ]


def _same_shards(children: list[Found], parents: list[Found]) -> list[Found]:
    """Shards of parents: a translated shard keeps the name, a romanised one has the kind before it."""
    names = {each.path.name.split("_", 1)[-1] for each in children}
    return [each for each in parents if each.path.name in names]


def texts(wanted: set[str], shards: Iterable[Path]) -> dict[str, str]:
    """The beginnings of the texts with these ids, of those found in the heads of shards."""
    found: dict[str, str] = {}
    for path in shards:
        if len(found) == len(wanted):
            break
        found |= {record["id"]: excerpt(record["text"]) for record in head(path) if record["id"] in wanted}
    return found
