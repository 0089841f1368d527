"""The index of evaluation n-grams: built once, saved, and read by every matcher.

A text of an item with at least `ngram` words is found by every run of that many words in it, a shorter one of at
least `min_words` as a whole. An item whose texts are all shorter is found by its texts joined in order.

n-grams of many texts are boilerplate ("which of the following statements ...") and are left out. A passage that
twenty questions share is no boilerplate: a long text counts once, however many items have it, up to a number no
passage reaches. A short text counts once for every item: whole questions repeat because they say nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from data_prep.decontaminate.eval_items import Item
from data_prep.decontaminate.ngrams import Hashes, Numbers, rolling, word_run
from data_prep.decontaminate.normalize import hash_words, words
from data_prep.documents import compact_json
from data_prep.errors import DataError
from data_prep.files import atomic_write, open_binary, shard_writer

POSTING = np.dtype([("hash", "<u8"), ("text", "<u4"), ("position", "<u4")])
"""An n-gram in a text: its hash, the text's number, the number of its first word there. 16 bytes each."""

SHOWN = 20
"""Boilerplate n-grams shown in the report, the most common ones."""

_PROMPT = 10
"""A long text that `_PROMPT` * max_items items share is a prompt, not a passage with questions."""

_FILES = ("ngrams.npy", "texts.jsonl.zst", "index.json")

_NO_COUNTS: dict[str, Any] = {"fields": [], "items": 0, "too_short": 0, "boilerplate": 0, "ngrams": 0}

Postings = npt.NDArray[np.void]
ItemName = tuple[str, str]
"""(evaluation set, item id)"""


class EvalText(NamedTuple):
    """A text to look for."""

    words: str
    """As compared (normalize.words), joined by spaces."""
    items: tuple[ItemName, ...]
    """The items that hold it; benchmarks borrow from each other."""

    @property
    def length(self) -> int:
        """In words."""
        return self.words.count(" ") + 1


@dataclass(frozen=True, kw_only=True)
class Index:
    """Every n-gram to look for, and where it comes from."""

    ngram: int
    texts: tuple[EvalText, ...]
    postings: Postings
    """Sorted by hash, then text."""
    report: dict[str, Any] = field(default_factory=dict)
    """Counts by evaluation set, and the boilerplate that was left out."""

    @cached_property
    def first(self) -> Numbers:
        """For each different n-gram the first of its postings, and the end of the last."""
        hashes = self.postings["hash"]
        is_first = np.ones(len(hashes) + 1, dtype=bool)
        is_first[1:-1] = hashes[1:] != hashes[:-1]
        return np.flatnonzero(is_first) if len(hashes) else np.zeros(1, dtype=np.int64)

    @cached_property
    def hashes(self) -> Hashes:
        """The different n-grams, sorted."""
        return np.ascontiguousarray(self.postings["hash"][self.first[:-1]])

    @cached_property
    def lengths(self) -> list[int]:
        """How many words n-grams have: `ngram` and the lengths of shorter texts."""
        return sorted({min(text.length, self.ngram) for text in self.texts})

    def texts_of(self, ngram: int) -> list[int]:
        """Numbers of the texts that hold an n-gram."""
        return [int(text) for text in self.postings["text"][self.first[ngram] : self.first[ngram + 1]]]

    def words_of(self, ngram: int) -> str:
        """The words of an n-gram."""
        posting = self.postings[self.first[ngram]]
        start = int(posting["position"])
        return " ".join(self.texts[int(posting["text"])].words.split(" ")[start : start + self.ngram])

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write the files of the index."""
        ngrams, texts, about = index_files(folder)
        with atomic_write(ngrams) as file:
            np.save(file, self.postings, allow_pickle=False)
        with shard_writer(texts) as write:
            for text in self.texts:
                write(compact_json(text._asdict()))
        with atomic_write(about) as file:
            file.write(compact_json({"ngram": self.ngram, "texts": len(self.texts), "report": self.report}).encode())
        return ngrams, texts, about

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """Read an index; n-grams stay in the page cache, shared by the processes of a machine.

        Raises:
            DataError: It is missing or damaged.
        """
        ngrams, texts, about = index_files(folder)
        try:
            facts = json.loads(about.read_bytes())
            with open_binary(texts) as lines:
                loaded = tuple(_eval_text(json.loads(line)) for line in lines)
            if len(loaded) != facts["texts"]:
                raise ValueError(f"{texts.name} holds {len(loaded)} texts, not {facts['texts']}")  # noqa: TRY301
            postings = np.load(ngrams, mmap_mode="r", allow_pickle=False)
            return cls(ngram=facts["ngram"], texts=loaded, postings=postings, report=facts["report"])
        except (OSError, EOFError, ValueError, KeyError, zstandard.ZstdError) as error:
            raise DataError(
                f"cannot read this index of evaluation n-grams: {error}",
                where=str(folder),
                why="without it contaminated documents would be kept",
                fix=f"delete {folder} and run `langadapt prep` again: it is made anew",
            ) from error


def index_files(folder: Path) -> tuple[Path, ...]:
    """The files an index is kept in: n-grams, texts with their items, facts about it."""
    return tuple(folder / name for name in _FILES)


def _eval_text(line: dict[str, Any]) -> EvalText:
    return EvalText(line["words"], tuple((name, item) for name, item in line["items"]))


def build_index(items: Iterable[Item], *, ngram: int, min_words: int, max_items: int) -> Index:
    """The index of some items; the settings are those of DecontaminateSettings."""
    owners: dict[str, dict[ItemName, None]] = {}
    sets: dict[str, dict[str, Any]] = {}
    for item in items:
        counts = sets.setdefault(item.eval_set, _NO_COUNTS)
        parts = _texts_to_find(item, min_words)
        sets[item.eval_set] = {
            **counts,
            "fields": list(dict.fromkeys([*counts["fields"], *item.fields])),
            "items": counts["items"] + 1,
            "too_short": counts["too_short"] + (not parts),
        }
        for part in parts:
            owners.setdefault(part, {})[item.eval_set, item.id] = None
    texts = tuple(EvalText(text, tuple(names)) for text, names in owners.items())
    postings = _postings(texts, ngram)
    is_boilerplate = _is_boilerplate(texts, postings, ngram, max_items)
    index = Index(ngram=ngram, texts=texts, postings=postings[~is_boilerplate])
    boilerplate = Index(ngram=ngram, texts=texts, postings=postings[is_boilerplate])
    return replace(index, report={"sets": _count_sets(sets, index), **_show(boilerplate)})


def _texts_to_find(item: Item, min_words: int) -> list[str]:
    """The texts long enough to be told from ordinary language; all joined if none is."""
    parts = [words(text) for text in item.texts]
    joined = [word for part in parts for word in part]
    long_enough = [part for part in parts if len(part) >= min_words]
    if not long_enough and len(joined) >= min_words:
        long_enough = [joined]
    return [" ".join(part) for part in long_enough]


def _postings(texts: Sequence[EvalText], ngram: int) -> Postings:
    """Every n-gram of every text, sorted; one that a text repeats is there once."""
    run = word_run([hash_words(text.words.split(" ")) for text in texts])
    lengths = np.diff(run.offsets)
    parts = [np.empty(0, dtype=POSTING)]
    for length, found in rolling(run.hashes, ngram):
        chosen = np.flatnonzero(lengths >= ngram if length == ngram else lengths == length)
        parts.append(_postings_of(found, chosen, run.offsets[chosen], lengths[chosen] - length + 1))
    postings = np.concatenate(parts)
    postings = postings[np.lexsort((postings["position"], postings["text"], postings["hash"]))]
    is_new = np.ones(len(postings), dtype=bool)
    is_new[1:] = (postings["hash"][1:] != postings["hash"][:-1]) | (postings["text"][1:] != postings["text"][:-1])
    return postings[is_new]


def _postings_of(found: Hashes, texts: Numbers, starts: Numbers, counts: Numbers) -> Postings:
    """The first `counts` n-grams from each of the `starts`."""
    postings = np.empty(counts.sum(), dtype=POSTING)
    postings["text"] = np.repeat(texts, counts)
    postings["position"] = np.arange(len(postings)) - np.repeat(np.cumsum(counts) - counts, counts)
    postings["hash"] = found[np.repeat(starts, counts) + postings["position"]]
    return postings


def _is_boilerplate(texts: Sequence[EvalText], postings: Postings, ngram: int, max_items: int) -> npt.NDArray[np.bool_]:
    """Which postings belong to n-grams that too many different texts hold."""
    weights = np.array([_weight(text, ngram, max_items) for text in texts], dtype=np.int64)
    _, number = np.unique(postings["hash"], return_inverse=True)
    total = np.zeros(number.max(initial=-1) + 1, dtype=np.int64)
    np.add.at(total, number, weights[postings["text"]])
    return total[number] > max_items


def _weight(text: EvalText, ngram: int, max_items: int) -> int:
    """How many texts this one counts for."""
    is_passage = text.length >= ngram and len(text.items) <= _PROMPT * max_items
    return 1 if is_passage else len(text.items)


def _count_sets(sets: dict[str, dict[str, Any]], index: Index) -> dict[str, dict[str, Any]]:
    """Complete the counts of each set: different n-grams, and items of which boilerplate left none."""
    alive = np.bincount(index.postings["text"], minlength=len(index.texts)) > 0
    names = {item for text, is_alive in zip(index.texts, alive, strict=True) if is_alive for item in text.items}
    wanted = {item for text in index.texts for item in text.items}
    for name, _ in wanted - names:
        sets[name]["boilerplate"] += 1
    for name, counts in sets.items():
        own = np.array([any(owner == name for owner, _ in text.items) for text in index.texts], dtype=bool)
        counts["ngrams"] = len(np.unique(index.postings["hash"][own[index.postings["text"]]]))
    return sets


def _show(boilerplate: Index) -> dict[str, Any]:
    """The n-grams left out: how many, and those of most items."""
    sizes = np.array([len(text.items) for text in boilerplate.texts], dtype=np.int64)
    counts = np.add.reduceat(sizes[boilerplate.postings["text"]], boilerplate.first[:-1])
    most = np.argsort(-counts, kind="stable")[:SHOWN].tolist()
    examples = [{"words": boilerplate.words_of(ngram), "items": int(counts[ngram])} for ngram in most]
    return {"boilerplate_ngrams": len(counts), "boilerplate": examples}
