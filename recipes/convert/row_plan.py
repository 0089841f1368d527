"""Plans one output tensor: which rows come out of which chunks. Pure; nothing is read."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.convert.reading.stored_tensors import Chunk, StoredTensor, damaged


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that the same chunks cover side by side.

    Attributes:
        count: Rows.
        parts: The chunks from left to right, each with the first of these rows in it.
    """

    count: int
    parts: tuple[tuple[Chunk, int], ...]


def blocks(name: str, tensor: StoredTensor, rows: Sequence[tuple[int, int]], where: str) -> list[Block]:
    """The blocks that, one under the other, make the row ranges asked for.

    Args:
        name: Of the tensor, for the error.
        tensor: The stored tensor, of one or two dimensions.
        rows: (first row, number of rows), in the order wanted.
        where: Names the checkpoint in the error.

    Raises:
        DataError: Chunks leave a hole or lie over one another.
    """
    return [block for first, count in rows for block in _range(name, tensor, first, first + count, where)]


def _range(name: str, tensor: StoredTensor, first: int, end: int, where: str) -> list[Block]:
    edges = {edge for chunk in tensor.chunks for edge in (chunk.start[0], chunk.start[0] + chunk.shape[0])}
    cuts = [first, *sorted(edge for edge in edges if first < edge < end), end]
    found = []
    for start, stop in itertools.pairwise(cuts):
        inside = [
            chunk for chunk in tensor.chunks if chunk.start[0] <= start and stop <= chunk.start[0] + chunk.shape[0]
        ]
        inside.sort(key=lambda chunk: chunk.start[1:])
        if not _tile(inside, tensor.shape[1:]):
            raise damaged(where, f"rows {start} to {stop} of {name} are not covered once by its chunks")
        parts = tuple((chunk, start - chunk.start[0]) for chunk in inside)
        found.append(Block(count=stop - start, parts=parts))
    return found


def _tile(chunks: Sequence[Chunk], width: tuple[int, ...]) -> bool:
    """Whether chunks stand side by side over the whole width."""
    if not width:
        return len(chunks) == 1
    column = 0
    for chunk in chunks:
        if chunk.start[1] != column:
            return False
        column += chunk.shape[1]
    return column == width[0]
