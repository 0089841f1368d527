"""Documents to look at: the same ones each time, spread evenly over the dataset."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.verify.index import Index

TOKENS = 100
"""Of a document, so that a book is not printed."""


def sample_documents(tokens: Path, index: Index, count: int) -> Iterator[tuple[int, list[int]]]:
    """Numbers of up to `count` documents, the first and the last among them, and the ids they begin with."""
    chosen = np.unique(np.linspace(0, index.documents - 1, min(count, index.documents), dtype=np.int64))
    for document in map(int, chosen):
        first, following = map(int, index.first_sequences(document, 2))
        begin, end = (index.begin(sequence) for sequence in (first, following))
        length = min(TOKENS, (end - begin) // index.dtype.itemsize)
        yield document, np.fromfile(tokens, dtype=index.dtype, count=length, offset=begin).tolist()
