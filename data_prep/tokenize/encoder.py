"""Shards to token ids, as fast as is proved exact.

gigatoken encodes SentencePiece BPE models and byte-level BPE three to fifty times as fast as their own libraries. It
is held to those: on texts chosen to be hard, and on documents from all over every block or batch of a shard. Where it
cannot read a tokenizer, or differs once, the tokenizer's own library encodes the whole shard.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from data_prep.documents import Document
from data_prep.files import read_blocks, read_shard
from data_prep.tokenize.gigatoken_model import Encoded, Ids, Model
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.tokenize.hard_texts import HARD_TEXTS
from data_prep.vocabulary import Vocabulary

BLOCK_BYTES = 16 << 20
"""Lines encoded together: a call of gigatoken 0.10.0 costs 7 ms, as much as a megabyte of text."""
BATCH_CHARACTERS = 1 << 20
"""Texts are encoded and written together until they hold this many: few enough to stay in the processor's cache."""
FIRST_SAMPLE, LATER_SAMPLE, SAMPLE_CHARACTERS = 32, 4, 500
"""Documents that are compared of the first block of a shard, of each later one, and how much of each document."""


class Encoder(Protocol):
    """Encodes one shard."""

    library: str
    fallback: str | None
    """Why this is not the fast one."""
    checked: int
    """Texts found equal to the reference."""

    def encode_shard(self, shard: Path) -> Iterator[Encoded]:
        """The documents of a shard in order, on one core."""


class Reference:
    """The tokenizer's own library."""

    def __init__(self, vocabulary: Vocabulary, fallback: str | None) -> None:
        self.library, self.fallback = vocabulary.library, fallback
        self.checked = 0
        self._vocabulary = vocabulary

    def encode_shard(self, shard: Path) -> Iterator[Encoded]:
        """The documents of a shard in order."""
        return _encode_texts(shard, self.encode)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text."""
        return [np.asarray(ids, dtype=np.uint32) for ids in self._vocabulary.encode(texts)]


class Proved:
    """gigatoken, compared with the reference as it goes.

    Raises:
        Refused: It cannot read the tokenizer or differs from the reference; while it encodes, too.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._model = vocabulary, _model(vocabulary)
        self.library = self._model.library
        self.fallback: str | None = None
        self.checked = len(HARD_TEXTS)

    def encode_shard(self, shard: Path) -> Iterator[Encoded]:
        """The documents of a shard in order."""
        if self._model.reads_lines:
            return map(self._encode_lines, read_blocks(shard, BLOCK_BYTES))
        return _encode_texts(shard, self.encode)

    def _encode_lines(self, block: bytes) -> Encoded:
        encoded = self._model.encode_lines(block)
        count, sample = sample_lines(block, self._sample_size)
        if len(encoded.lengths) != count:
            raise Refused(f"{self.library} read {len(encoded.lengths)} of {count} documents")
        ends = np.cumsum(encoded.lengths)
        texts = {row: _text_of(line) for row, line in sample.items()}
        self._compare(list(texts.values()))
        for row, text in texts.items():
            ids = encoded.ids[ends[row] - encoded.lengths[row] : ends[row]]
            if not np.array_equal(ids, self._model.encode([text])[0]) or self._model.count_characters(ids) != len(text):
                raise Refused(f"{self.library} reads {text[:60]!r} differently from a line")
        return encoded

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text."""
        size = self._sample_size
        self._compare(texts[:: max(1, len(texts) // size)][:size])
        return self._model.encode(texts)

    @property
    def _sample_size(self) -> int:
        return FIRST_SAMPLE if self.checked == len(HARD_TEXTS) else LATER_SAMPLE

    def _compare(self, texts: Sequence[str]) -> None:
        _compare(self._model, self._vocabulary, [text[:SAMPLE_CHARACTERS] for text in texts])
        self.checked += len(texts)


@functools.lru_cache(maxsize=1)
def _model(vocabulary: Vocabulary) -> Model:
    """One for all tasks of a process, held to the hard texts: of 256,000 pieces it takes seconds to build."""
    model = Model(vocabulary)
    _compare(model, vocabulary, HARD_TEXTS)
    return model


def _compare(model: Model, vocabulary: Vocabulary, texts: Sequence[str]) -> None:
    for text, ours, theirs in zip(texts, model.encode(texts), vocabulary.encode(texts), strict=True):
        if ours.tolist() != theirs:
            raise Refused(f"{model.library} encodes {text[:60]!r} differently from {vocabulary.library}")


def sample_lines(block: bytes, size: int) -> tuple[int, dict[int, bytes]]:
    """How many lines a block has; so many of them from all over it by their number, fewer where lines are long."""
    sample, row, counted = {}, 0, 0
    for number in range(size):
        first = block.rfind(b"\n", 0, number * len(block) // size) + 1
        row, counted = row + block.count(b"\n", counted, first), first
        sample[row] = block[first : block.find(b"\n", first)]
    return row + block.count(b"\n", counted), sample


def _text_of(line: bytes) -> str:
    try:
        return Document.from_json(line).text
    except ValueError as error:
        raise Refused(f"a line holds no document: {error}") from error


def _encode_texts(shard: Path, encode: Callable[[Sequence[str]], list[Ids]]) -> Iterator[Encoded]:
    for texts in _batches(document.text for document in read_shard(shard)):
        ids = encode(texts)
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        yield Encoded(ids=np.concatenate(ids), lengths=lengths, characters=sum(map(len, texts)))


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    for first in texts:
        batch, characters = [first], len(first)
        while characters < BATCH_CHARACTERS and (text := next(texts, None)) is not None:
            batch.append(text)
            characters += len(text)
        yield batch
