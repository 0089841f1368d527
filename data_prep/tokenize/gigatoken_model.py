"""gigatoken as the stage uses it: texts, or whole lines of a shard, to token ids on one core.

Lines are what it is fastest with: it takes the text out of the JSON by itself, so that no text becomes a Python
object. That needs a tokenizer that gets its text unprepared, and whose tokens spell the text out, which tells how many
characters were read.
"""

import functools
import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.tokenize import gigatoken_source
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.tokenize.hard_texts import HARD_TEXTS
from data_prep.vocabulary import Vocabulary

Ids = np.ndarray[Any, np.dtype[np.uint32]]
Lengths = np.ndarray[Any, np.dtype[np.int64]]

_REMEMBERED = 3 << 31
"""Bytes of text after which gigatoken is loaded anew: 0.10.0 remembers every word it has met."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Some documents as tokens.

    Attributes:
        ids: Of all of them, one after the other.
        lengths: Tokens of each.
        characters: Of all of them.
    """

    ids: Ids
    lengths: Lengths
    characters: int


class Model:
    """One tokenizer, its memory bounded.

    Raises:
        Refused: gigatoken cannot read it.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.library = f"gigatoken {importlib.metadata.version('gigatoken')}"
        self._json, self._prepare = gigatoken_source.read(vocabulary)
        self._load()

    def _load(self) -> None:
        import gigatoken

        try:
            self._tokenizer = gigatoken.Tokenizer.from_json(self._json)
        except Exception as error:
            raise Refused(f"{self.library} cannot read this tokenizer: {str(error).partition(chr(10))[0]}") from error
        self._room = _REMEMBERED

    def _take(self, size: int) -> None:
        if self._room <= 0:
            self._load()
        self._room -= size

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text."""
        self._take(3 * sum(map(len, texts)))
        return list(map(self._tokenizer.encode, map(self._prepare, texts) if self._prepare else texts))

    @functools.cached_property
    def reads_lines(self) -> bool:
        """Whether `encode_lines` may be used."""
        if self._prepare:
            return False
        return all(self.count_characters(self.encode([text])[0]) == len(text) for text in HARD_TEXTS)

    def encode_lines(self, block: bytes) -> Encoded:
        """Ids of the field `text` of each line, up to the first line that cannot be read."""
        import gigatoken

        self._take(len(block))
        descriptor = os.memfd_create("lines")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(block)
            source = gigatoken.JsonlFileSource([f"/proc/self/fd/{descriptor}"])
            rows = self._tokenizer.encode_files(source, parallel=False).layout
        finally:
            os.close(descriptor)
        offsets = np.asarray(rows.offsets)
        ids = np.asarray(rows.content.data)[offsets[0] : offsets[-1]]
        return Encoded(ids=ids, lengths=np.diff(offsets), characters=self.count_characters(ids))

    def count_characters(self, ids: Ids) -> int:
        """Characters that begin in some tokens."""
        return int(self._characters[ids].sum(dtype=np.int64))

    @functools.cached_property
    def _characters(self) -> "np.ndarray[Any, np.dtype[np.uint16]]":
        counts = np.zeros(self._tokenizer.vocab_size, np.uint16)
        for number, piece in self._tokenizer.vocab.items():
            counts[number] = sum(byte & 0xC0 != 0x80 for byte in piece)
        return counts
