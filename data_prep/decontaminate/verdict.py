"""One verdict over all shards: which documents are contaminated, and which n-grams are common phrases.

It needs all shards, because an n-gram that very many documents hold says nothing, and because a document is also
dropped when the one it was made from, in another shard, is contaminated.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from data_prep.decontaminate.index import SHOWN, Index
from data_prep.decontaminate.matches import Found, read_matches
from data_prep.decontaminate.ngrams import Hashes, Numbers
from data_prep.documents import Record
from data_prep.files import atomic_write
from data_prep.receipts import Tally
from data_prep.tasks import Written


def key(source: str, document_id: str) -> int:
    """64 bits that stand for a document; what is made from it has the same source."""
    return xxh3_64_intdigest(f"{source}\n{document_id}".encode())


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What all shards together say."""

    keys: Hashes
    """Of the contaminated documents, sorted."""
    common: frozenset[int]
    """n-grams that mark nothing."""

    def holds(self, source: str, document_id: str) -> bool:
        """Whether a document is contaminated; wrong once in 2^64 / len(keys) documents."""
        wanted = key(source, document_id)
        place = int(np.searchsorted(self.keys, np.uint64(wanted)))
        return place < len(self.keys) and int(self.keys[place]) == wanted

    @classmethod
    def load(cls, folder: Path) -> "Verdict":
        """Read a verdict, once a process; keys stay in the page cache."""
        return _load(folder, *(path.stat().st_mtime_ns for path in verdict_files(folder)))


@lru_cache(maxsize=1)
def _load(folder: Path, *_mtimes_ns: int) -> Verdict:
    keys, common = (np.load(path, mmap_mode="r", allow_pickle=False) for path in verdict_files(folder))
    return Verdict(keys=keys, common=frozenset(common.tolist()))


def verdict_files(folder: Path) -> tuple[Path, Path]:
    """Where a verdict is kept: keys, common n-grams."""
    return folder / "documents.npy", folder / "common_ngrams.npy"


def write_verdict(
    matches: Sequence[Path], index: Path, folder: Path, max_documents: int, _records: Iterable[Record], _tally: Tally
) -> Written:
    """Decide over the side files of all shards.

    Memory: 8 bytes a contaminated document, twice while sorting, and 8 bytes an n-gram of the index.
    """
    loaded = Index.load(index)
    documents = count_documents(read_matches(matches), len(loaded.hashes))
    is_common = documents > max_documents
    report = _Report(loaded)
    keys = array("Q")
    for found in read_matches(matches):
        telling = [ngram for ngram in found.ngrams if not is_common[ngram]]
        if telling:
            keys.append(key(found.source, found.id))
            report.add(telling)
    common = np.flatnonzero(is_common)
    outputs = verdict_files(folder)
    for path, values in zip(outputs, (np.sort(np.frombuffer(keys, dtype="<u8")), common), strict=True):
        with atomic_write(path) as file:
            np.save(file, values, allow_pickle=False)
    details = {"contaminated": len(keys), "sets": report.sets(), **show_common(loaded, common, documents)}
    return Written(outputs=outputs, details=details)


def count_documents(matches: Iterable[Found], ngrams: int) -> Numbers:
    """How many documents hold each n-gram."""
    counts = np.zeros(ngrams, dtype=np.int64)
    for found in matches:
        counts[found.ngrams] += 1
    return counts


def show_common(index: Index, common: Numbers, documents: Numbers) -> dict[str, Any]:
    """The n-grams that mark nothing: how many, and those in most documents."""
    most = common[np.argsort(-documents[common], kind="stable")][:SHOWN].tolist()
    examples = [{"words": index.words_of(ngram), "documents": int(documents[ngram])} for ngram in most]
    return {"common_ngrams": len(common), "common": examples}


class _Report:
    """What was found of each evaluation set."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._documents = dict.fromkeys(index.report["sets"], 0)
        self._texts: set[int] = set()

    def add(self, ngrams: Iterable[int]) -> None:
        """Count a contaminated document, once for every set it holds text of."""
        texts = {text for ngram in ngrams for text in self._index.texts_of(ngram)}
        self._texts |= texts
        for name in {name for text in texts for name, _ in self._index.texts[text].items}:
            self._documents[name] += 1

    def sets(self) -> dict[str, dict[str, int]]:
        """Items, n-grams, items found and contaminated documents of each set."""
        found = {item for text in self._texts for item in self._index.texts[text].items}
        return {
            name: {
                "items": about["items"],
                "ngrams": about["ngrams"],
                "items_found": sum(each == name for each, _ in found),
                "documents": self._documents[name],
            }
            for name, about in self._index.report["sets"].items()
        }
