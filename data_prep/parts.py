"""Which rows of a file one of several tasks reads."""

from dataclasses import dataclass

BLOCK_ROWS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Every `of`-th block of rows, from block `index` on.

    Blocks, not one long run of rows: where a run starts is not known before the file has been read.
    """

    index: int = 0
    of: int = 1

    def __str__(self) -> str:
        return "this file" if self.of == 1 else f"part {self.index + 1} of {self.of} of this file"

    def has(self, number: int) -> bool:
        """Whether the part has a row; rows are counted from 1."""
        return (number - 1) // BLOCK_ROWS % self.of == self.index


WHOLE = Part()
