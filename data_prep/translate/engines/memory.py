"""A translation memory: segments with a known translation get it, all others fail as `untranslated`.

The demo translates with one, and so can everyone who has human translations sentence by sentence.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep import jsonl
from data_prep.files import sha256_file
from data_prep.layout import resolve_input
from data_prep.translate.engines.base import Failure, Pace, Result
from data_prep.translate.protect import PLACEHOLDER, Masked, mask
from data_prep.translate.settings import MemorySettings


class MemoryEngine:
    """Looks segments up. Memory: the whole file, about twice its size."""

    pace = Pace(batch_segments=4096, batch_characters=10_000_000)

    def __init__(self, settings: MemorySettings) -> None:
        self._path = resolve_input(settings.path)
        self._identity = {"engine": "memory", "sha256": sha256_file(self._path)}

    @property
    def identity(self) -> Mapping[str, Any]:
        """The file's content."""
        return self._identity

    def translate(self, segments: Sequence[str]) -> list[Result]:
        """What the file says."""
        known = _load(self._path)
        return [known.get(segment) or Failure("untranslated") for segment in segments]


def check(settings: MemorySettings) -> None:
    """Refuse a missing file and one whose first lines are no translation memory.

    Raises:
        UsageError: The file is missing.
        DataError: A line is bad.
    """
    jsonl.check_start(resolve_input(settings.path), _fault, "error")


@functools.lru_cache(maxsize=2)
def _load(path: Path) -> dict[str, str]:
    """{masked source: masked target}; the first of equal sources counts."""
    known: dict[str, str] = {}
    for row in jsonl.read(path, _fault, "error"):
        if isinstance(row, jsonl.Row):
            source = mask(row.value["source"].strip())
            known.setdefault(source.text, masked_like(source, row.value["target"].strip()))
    return known


def masked_like(source: Masked, target: str) -> str:
    """The target with the numbers of the source's placeholders, wherever it holds the same protected text."""
    own = mask(target)
    free = [piece.strip(" ") for piece in source.protected]

    def renumbered(found: re.Match[str]) -> str:
        piece = own.protected[int(found["number"]) - 1].strip(" ")
        if piece not in free:
            return piece
        number = free.index(piece)
        free[number] = ""
        return f"<ID{number + 1}>"

    return PLACEHOLDER.sub(renumbered, own.text)


def _fault(value: dict[str, Any]) -> jsonl.Fault | None:
    return jsonl.text_fault(value, "source") or jsonl.text_fault(value, "target")
