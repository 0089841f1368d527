"""Texts to token ids, as fast as is proved exact.

gigatoken encodes SentencePiece BPE models and byte-level BPE three to fifty times as fast as their own libraries. It
is held to those: on texts chosen to be hard, on documents from all over the first batch of a task, and on a piece of
a document of every later batch. Where it cannot read a tokenizer, or differs once, the tokenizer's own library
encodes the whole task.
"""

import functools
import importlib.metadata
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from data_prep.tokenize import gigatoken_source
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.tokenize.hard_texts import HARD_TEXTS
from data_prep.vocabulary import Vocabulary

Ids = np.ndarray[Any, np.dtype[np.uint32]]

FIRST_SAMPLE, SAMPLE_CHARACTERS = 32, 500
"""Documents of the first batch that are compared, and how much of each; of a later batch it is one."""
_REMEMBERED = 1 << 31
"""Characters after which gigatoken is loaded anew: 0.10.0 remembers every word it has met."""


class Encoder(Protocol):
    """Encodes the documents of one task."""

    library: str
    fallback: str | None
    """Why this is not the fast one."""
    checked: int
    """Texts found equal to the reference."""

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text, on one core."""


class Reference:
    """The tokenizer's own library."""

    def __init__(self, vocabulary: Vocabulary, fallback: str | None) -> None:
        self.library, self.fallback = vocabulary.library, fallback
        self.checked = 0
        self._vocabulary = vocabulary

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text."""
        return [np.asarray(ids, dtype=np.uint32) for ids in self._vocabulary.encode(texts)]


class Proved:
    """gigatoken, compared with the reference as it goes.

    Raises:
        Refused: It cannot read the tokenizer or differs from the reference; from `encode`, too.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._model = vocabulary, _model(vocabulary)
        self.library = self._model.library
        self.fallback: str | None = None
        self.checked = 0
        self._compare(HARD_TEXTS)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text."""
        count = 1 if self.checked > len(HARD_TEXTS) else FIRST_SAMPLE
        chosen = texts[:: max(1, len(texts) // count)][:count]
        self._compare([text[:SAMPLE_CHARACTERS] for text in chosen])
        return self._model.encode(texts)

    def _compare(self, texts: Sequence[str]) -> None:
        for text, ours, theirs in zip(texts, self._model.encode(texts), self._vocabulary.encode(texts), strict=True):
            if ours.tolist() != theirs:
                raise Refused(f"{self.library} encodes {text[:60]!r} differently from {self._vocabulary.library}")
        self.checked += len(texts)


class _Gigatoken:
    """gigatoken with the text it reads prepared, and its memory bounded."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.library = f"gigatoken {importlib.metadata.version('gigatoken')}"
        self._json, self._prepare = gigatoken_source.read(vocabulary)
        self._load()

    def _load(self) -> None:
        import gigatoken

        try:
            self._tokenizer = gigatoken.Tokenizer.from_json(self._json)
        except Exception as error:
            raise Refused(f"{self.library} cannot read this tokenizer: {str(error).splitlines()[0]}") from error
        self._room = _REMEMBERED

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        if self._room <= 0:
            self._load()
        self._room -= sum(map(len, texts))
        return list(map(self._tokenizer.encode, map(self._prepare, texts) if self._prepare else texts))


@functools.lru_cache(maxsize=1)
def _model(vocabulary: Vocabulary) -> _Gigatoken:
    """One for all tasks of a process: of 256,000 pieces it takes seconds to build."""
    return _Gigatoken(vocabulary)
