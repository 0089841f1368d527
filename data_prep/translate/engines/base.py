"""The one interface of all engines, and the three ways in which translating can fail.

- A segment fails: its place in the answer holds a `Failure`. Others of its batch are not touched.
- A batch fails: `EngineFault`. Trying again or splitting it may help; attempts.py does both.
- The engine is out of order (wrong key, wrong model, unreachable): a LangadaptError ends the run with a message;
  the next run goes on where this one stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a segment has no translation."""

    reason: str
    """Short code counted in receipts."""
    by_engine: bool = False
    """The engine gave no usable answer, so the same segment may do well another time."""


Result = str | Failure


class EngineFault(Exception):
    """A batch got no usable answer.

    Args:
        reason: The code its segments fail with in the end.
        detail: Words for a log or an error message; never holds the key.
        wait: Seconds the server asks to wait before the next try.
        retry: Whether the same batch may do well another time; otherwise it is split at once.
        split: Whether a smaller batch may do well; otherwise the engine is out of order.
    """

    def __init__(
        self, reason: str, detail: str, *, wait: float | None = None, retry: bool = True, split: bool = True
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.wait, self.retry, self.split = reason, detail, wait, retry, split


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How an engine likes its work."""

    batch_segments: int
    batch_characters: int
    """Segments of a batch times the longest of them."""
    side_by_side: int = 1
    """Batches under way at a time."""
    tries: int = 1
    first_wait: float = 0.0
    """Seconds before the second try."""


class Engine(Protocol):
    """Translates masked segments from one language to another; one instance knows one direction."""

    pace: Pace

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that decides what a segment is translated to: the key of the cache. Holds no secret."""

    def translate(self, segments: Sequence[str]) -> list[Result]:
        """One result per segment, in order.

        Raises:
            EngineFault: No usable answer for this batch.
            LangadaptError: The engine is out of order.
        """
