"""Segments -> batches of similar length, the same whatever an earlier run has already translated."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from data_prep.translate.engines.base import Pace

WINDOW = 16_384
"""Segments sorted by length at a time: enough for batches of even length, and all that is held in memory."""


def batches(segments: Iterable[str], pace: Pace) -> Iterator[list[str]]:
    """Batches within the engine's limits; a segment longer than the limit comes alone."""
    source = iter(segments)
    while window := list(islice(source, WINDOW)):
        yield from _cut(sorted(window, key=lambda segment: (len(segment), segment)), pace)


def _cut(ordered: Sequence[str], pace: Pace) -> Iterator[list[str]]:
    batch: list[str] = []
    for segment in ordered:
        full = len(batch) == pace.batch_segments or (len(batch) + 1) * len(segment) > pace.batch_characters
        if batch and full:
            yield batch
            batch = []
        batch.append(segment)
    if batch:
        yield batch
