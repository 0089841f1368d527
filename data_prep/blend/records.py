"""What the planner reads and what it decides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.documents import Split, primary_language


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A token dataset on disk."""

    prefix: str
    source: str
    lang: str
    kind: str
    split: Split
    tokens: int
    documents: int
    tokenizer_sha256: str

    @property
    def language(self) -> str:
        """Primary subtag."""
        return primary_language(self.lang)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One dataset in the blend."""

    prefix: str
    source: str
    lang: str
    kind: str
    tokens_available: int
    weight: float
    """Of its list; the weights of a list add up to 1."""
    tokens_drawn: int | None
    """Expected over the whole run; None for validation, which has no budget."""
    epochs: float | None
    max_epochs: float | None
    """Its cap."""
    why: str

    @property
    def name(self) -> str:
        """source.lang.kind."""
        return f"{self.source}.{self.lang}.{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Total:
    """What the blend draws of several datasets, e.g. those of a language or a kind."""

    tokens_available: int
    weight: float
    tokens_drawn: int
    epochs: float

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Total":
        """The sum of entries of the training list."""
        available = sum(entry.tokens_available for entry in entries)
        drawn = sum(entry.tokens_drawn or 0 for entry in entries)
        weight = math.fsum(entry.weight for entry in entries)
        return cls(tokens_available=available, weight=weight, tokens_drawn=drawn, epochs=drawn / available)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A dataset that is there but not in the blend."""

    prefix: str
    why: str


@dataclass(frozen=True, kw_only=True)
class BlendPlan:
    """What to train and validate on, both by falling weight, as Megatron needs it (data_prep/blend/megatron.py).

    Attributes:
        samples: Of `sequence_length` tokens, that the run draws.
        language_shares: As given, or as `language_method` found them.
        monitor: Prefixes of the held-out datasets whose loss a run watches, of every source, language and kind.
    """

    budget_tokens: int
    sequence_length: int
    samples: int
    method: str
    language_shares: dict[str, float]
    preference: dict[str, float]
    max_epochs: float
    max_epochs_of: dict[str, float]
    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    monitor: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    by_language: dict[str, Total]
    by_kind: dict[str, Total]
