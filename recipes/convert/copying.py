"""Copies rows of stored tensors into a file: in the kernel where the bytes are one run, else through a small buffer.

One run: a chunk as wide as the tensor, in the dtype wanted. Column-parallel chunks and casts go through the buffer.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from recipes.convert.casts import ITEM_BYTES, RAW, Overflow, cast
from recipes.convert.kernel_copy import KernelCopy
from recipes.convert.records import RecordReader
from recipes.convert.row_plan import Block
from recipes.convert.stored_tensors import StoredTensor, damaged

BUFFER_BYTES = 4 << 20
"""Output rows worked on at once; with the parts read and the steps of a cast, four times this is in memory."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One output tensor.

    Attributes:
        name: The stored tensor's name, for errors.
        tensor: Where its bytes are.
        blocks: The rows wanted.
        dtype: Wanted.
    """

    name: str
    tensor: StoredTensor
    blocks: Sequence[Block]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes written."""
        return sum(block.count for block in self.blocks) * self.row_bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of an output row; of an element where there is one dimension."""
        return prod(self.tensor.shape[1:]) * ITEM_BYTES[self.dtype]


class Copier:
    """Writes tensors at given positions of an open file."""

    def __init__(self, reader: RecordReader, output: int, where: str) -> None:
        self._reader, self._output, self._where = reader, output, where
        self._kernel = KernelCopy(output)

    def write(self, job: Job, position: int) -> None:
        """Writes one tensor.

        Raises:
            DataError: The checkpoint ends too early, or holds a value that the dtype wanted cannot.
        """
        for block in job.blocks:
            is_one_run = len(block.parts) == 1 and job.dtype == job.tensor.dtype
            (self._copy_run if is_one_run else self._copy_rows)(job, block, position)
            position += block.count * job.row_bytes

    def _copy_run(self, job: Job, block: Block, position: int) -> None:
        chunk, row = block.parts[0]
        descriptor, start = self._reader.place(job.name, job.tensor, chunk)
        source, left = start + row * job.row_bytes, block.count * job.row_bytes
        while left:
            count = self._kernel.copy_some(descriptor, source, position, left)
            if not count:
                raise self._reader.cut_off(job.name)
            source, position, left = source + count, position + count, left - count

    def _copy_rows(self, job: Job, block: Block, position: int) -> None:
        width, item = prod(job.tensor.shape[1:]), ITEM_BYTES[job.tensor.dtype]
        step = max(1, BUFFER_BYTES // (width * 4))
        for first in range(0, block.count, step):
            count = min(step, block.count - first)
            rows = np.empty((count, width), RAW[job.tensor.dtype])
            column = 0
            for chunk, row in block.parts:
                columns = prod(chunk.shape[1:])
                part = np.empty((count, columns), RAW[job.tensor.dtype])
                descriptor, start = self._reader.place(job.name, job.tensor, chunk)
                place = descriptor, start + (row + first) * columns * item
                self._reader.read(job.name, place, part.data.cast("B"))
                rows[:, column : column + columns] = part
                column += columns
            self._write(self._cast(rows, job), position + first * job.row_bytes)

    def _cast(self, rows: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", job: Job) -> memoryview:
        try:
            return np.ascontiguousarray(cast(rows, job.tensor.dtype, job.dtype)).data.cast("B")
        except Overflow as error:
            raise damaged(self._where, f"{job.name} does not fit: {error}; convert with dtype=bfloat16") from error

    def _write(self, content: memoryview, position: int) -> None:
        while content:
            count = os.pwrite(self._output, content, position)
            content, position = content[count:], position + count
