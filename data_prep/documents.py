"""The unit that flows through data preparation: a tagged document, or the reason it was rejected.

A document never loses its kind or its parents: a romanised translation has the translation as parent,
whose parent is the English original, so the model card can say how much of each kind the model saw.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

Kind = Literal["real", "translated", "romanized"]
KINDS: tuple[Kind, ...] = ("real", "translated", "romanized")

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One text with everything later stages, receipts and the model card need to know about it."""

    id: str
    text: str
    lang: str
    """BCP-47 with script: hi-Deva, hi-Latn, en-Latn."""
    kind: Kind
    source: str
    license: str
    parent_id: str | None
    """The document this one was made from; None for a real document."""
    group: str
    """What must stay on one side of the train/held-out split, e.g. a text and its translations."""

    def to_json(self) -> str:
        """One JSON line (without its newline); equal documents give equal bytes."""
        return compact_json(asdict(self))

    @staticmethod
    def from_json(line: str | bytes) -> "Document":
        """The document a line of a shard holds.

        Raises:
            ValueError: It is no JSON, or lacks a field, or one has another type.
        """
        return _DECODER.decode(line)


_DECODER = msgspec.json.Decoder(Document)
"""Twice as fast as `json`: every stage reads every document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """Input that was left out, kept with its reason so that nothing disappears uncounted."""

    id: str
    reason: str
    """Short code counted in receipts, e.g. `not_utf8`."""
    where: str
    """File and line, or the stage's own words for the place."""
    text: str

    def to_json(self) -> str:
        """One JSON line (without its newline)."""
        return compact_json(asdict(self))


Record = Document | Reject


def compact_json(value: dict[str, Any]) -> str:
    """JSON on one line, Unicode kept readable, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What shares folders, prefixes and a place in the blend."""

    source: str
    lang: str
    kind: Kind

    @property
    def name(self) -> str:
        """Names folders, shards and prefixes."""
        return f"{self.source}.{self.lang}.{self.kind}"


def primary_language(lang: str) -> str:
    """The language without its script: `hi` for both hi-Deva and hi-Latn."""
    return lang.split("-", 1)[0]


def split_of(group: str, heldout_fraction: float) -> Split:
    """The side of the split a group belongs to: a function of its name alone.

    A hash, not a random draw, so that adding documents moves none of the others and parallel texts in
    different files agree without knowing of each other.
    """
    value = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big")
    return "heldout" if value < heldout_fraction * 2**64 else "train"
