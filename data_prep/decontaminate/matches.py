"""The n-grams found in each shard: a side file with one line for every document that holds some."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.decontaminate.index import Index, index_files
from data_prep.decontaminate.matcher import Matcher
from data_prep.documents import Document, Record, compact_json
from data_prep.files import open_binary, read_shard, shard_writer
from data_prep.receipts import Tally
from data_prep.tasks import Written

_BATCH_CHARACTERS = 500_000


class Found(NamedTuple):
    """What a line of the side file says."""

    source: str
    id: str
    ngrams: list[int]
    """Numbers in the index, each once."""


def load_matcher(folder: Path) -> Matcher:
    """The matcher of a saved index, loaded once a process."""
    status = index_files(folder)[0].stat()
    return _load_matcher(folder, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _load_matcher(folder: Path, _size: int, _mtime_ns: int) -> Matcher:
    return Matcher(Index.load(folder))


def write_matches(shard: Path, index: Path, output: Path, _records: Iterable[Record], _tally: Tally) -> Written:
    """Write the side file of one shard."""
    matcher = load_matcher(index)
    counts = {"documents": 0, "matched": 0}
    with shard_writer(output) as write:
        for batch in _batches(read_shard(shard)):
            counts["documents"] += len(batch)
            for found in _find(matcher, batch):
                counts["matched"] += 1
                write(compact_json(found._asdict()))
    return Written(outputs=(output,), details=counts)


def read_matches(files: Sequence[Path]) -> Iterator[Found]:
    """The lines of several side files."""
    for path in files:
        with open_binary(path) as lines:
            for line in lines:
                yield Found(**json.loads(line))


def _find(matcher: Matcher, batch: Sequence[Document]) -> Iterator[Found]:
    hits = matcher.find([document.text for document in batch])
    bounds = np.searchsorted(hits.text, np.arange(len(batch) + 1))
    for document, (start, end) in zip(batch, pairwise(bounds.tolist()), strict=True):
        if end > start:
            yield Found(document.source, document.id, np.unique(hits.ngram[start:end]).tolist())


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents together until they are enough for numpy to be fast, and few enough to stay in its caches."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
