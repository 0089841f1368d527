"""Evaluation items found in training shards, with the index, matcher and side files of prep's decontamination.

Two readings, as there: n-grams of every shard go to side files in a temporary folder, then what very many documents
hold is known to be a common phrase and marks nothing. Memory: the index, its matcher, and 8 bytes an n-gram.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.console import progress
from data_prep.decontaminate.index import Index, ItemName
from data_prep.decontaminate.matches import read_matches, write_matches
from data_prep.decontaminate.verdict import count_documents, show_common
from data_prep.layout import SHARD_SUFFIX
from data_prep.receipts import Tally

SHOWN = 5
"""Examples of a set."""


class Searched(NamedTuple):
    """A training shard and what was found in it."""

    source: str
    kind: str
    documents: int
    """That were read."""
    side: Path
    """A line for each document with evaluation n-grams."""


def search(shards: Sequence[Path], index: Path, folder: Path) -> list[Searched]:
    """Look through shards one after another.

    Args:
        shards: <source>.<lang>.<kind>/train/<shard>.jsonl.zst.
        index: Folder of a saved index.
        folder: For the side files.
    """
    found = []
    with progress("evaluate contamination", len(shards)) as bar:
        for shard in shards:
            dataset, name = shard.parts[-3], shard.name.removesuffix(SHARD_SUFFIX)
            source, _, kind = dataset.rsplit(".", 2)
            written = write_matches(shard, index, folder / dataset / f"{name}{SHARD_SUFFIX}", (), Tally())
            found.append(Searched(source, kind, written.details["documents"], written.outputs[0]))
            bar.advance()
    return found


@dataclass
class _Set:
    """What was found of one evaluation set."""

    touched: set[str] = field(default_factory=set)
    documents: int = 0
    by_documents: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_items: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, shard: Searched, document: str, items: dict[str, str]) -> None:
        """Count a document and the items of this set it holds n-grams of, each with the words of one of them."""
        origin = (shard.source, shard.kind)
        for item, words in items.items():
            if item not in self.touched and len(self.examples) < SHOWN:
                about = {"item": item, "document": document, "source": shard.source, "kind": shard.kind}
                self.examples.append({**about, "words": words})
            self.touched.add(item)
        self.documents += 1
        self.by_documents[origin] += 1
        self.by_items[origin] |= items.keys()

    def report(self, about: dict[str, Any]) -> dict[str, Any]:
        """The figures of a report; `about` is what the index says of the set."""
        by: dict[str, dict[str, dict[str, int]]] = {}
        for (source, kind), documents in sorted(self.by_documents.items()):
            by.setdefault(source, {})[kind] = {"documents": documents, "items": len(self.by_items[source, kind])}
        return {
            **{name: about[name] for name in ("items", "too_short", "boilerplate", "fields")},
            "touched": len(self.touched),
            "share": len(self.touched) / about["items"],
            "documents": self.documents,
            "by": by,
            "examples": self.examples,
            "touched_items": sorted(self.touched),
        }


def tally(index: Index, searched: Sequence[Searched], max_documents: int) -> dict[str, Any]:
    """What was found of every set, by source and kind of the training text.

    Args:
        index: What was looked for.
        searched: What `search` found.
        max_documents: n-grams in more documents mark nothing.
    """
    documents = count_documents(read_matches([shard.side for shard in searched]), len(index.hashes))
    is_common = documents > max_documents
    sets = {name: _Set() for name in index.report["sets"]}
    for shard in searched:
        for match in read_matches([shard.side]):
            items = _items(index, [ngram for ngram in match.ngrams if not is_common[ngram]])
            for name, group in _by_set(items).items():
                sets[name].add(shard, match.id, group)
    return {
        "sets": {name: found.report(index.report["sets"][name]) for name, found in sets.items()},
        **show_common(index, np.flatnonzero(is_common), documents),
        **{name: index.report[name] for name in ("boilerplate_ngrams", "boilerplate")},
    }


def _items(index: Index, ngrams: Sequence[int]) -> dict[ItemName, str]:
    """Items that hold some of the n-grams, each with the words of the first."""
    items: dict[ItemName, str] = {}
    for ngram in ngrams:
        for item in (item for text in index.texts_of(ngram) for item in index.texts[text].items):
            items.setdefault(item, index.words_of(ngram))
    return items


def _by_set(items: dict[ItemName, str]) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for (name, item), words in items.items():
        groups.setdefault(name, {})[item] = words
    return groups
