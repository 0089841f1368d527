"""Copies rows of stored tensors into a file: in the kernel where the bytes are one run, else through a small buffer.

One run: a chunk as wide as the tensor, in the dtype wanted. Column-parallel chunks and casts go through the buffer.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from recipes.convert.casts import ITEM_BYTES, RAW, Overflow, cast
from recipes.convert.kernel_copy import KernelCopy
from recipes.convert.records import RecordReader
from recipes.convert.row_plan import Block
from recipes.convert.stored_tensors import StoredTensor, damaged

BUFFER_BYTES = 8 << 20
_CAST_BYTES = 16
"""Of an element while it is cast: as it is stored, in fp32, its rounded bits, and as it is written."""
PIECE_BYTES = 64 << 20
"""Copied by the kernel at once; after each, the thread that hashes can go on."""


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
    """Writes tensors at given positions of an open file.

    Args:
        reader: Of the checkpoint.
        output: The file's descriptor.
        where: Names the checkpoint in errors.
        advance: Told up to which position the file is written.
    """

    def __init__(self, reader: RecordReader, output: int, where: str, advance: Callable[[int], None]) -> None:
        self._reader, self._output, self._where, self._advance = reader, output, where, advance
        self._kernel = KernelCopy(output, "convert")
        self._buffer = np.empty(BUFFER_BYTES, np.uint8)

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
            count = self._kernel.copy_some(descriptor, source, position, min(left, PIECE_BYTES))
            if not count:
                raise self._reader.cut_off(job.name)
            source, position, left = source + count, position + count, left - count
            self._advance(position)

    def _copy_rows(self, job: Job, block: Block, position: int) -> None:
        """Puts the parts of each row side by side in a buffer, where a cast changes them, and writes it."""
        width, item = prod(job.tensor.shape[1:]), ITEM_BYTES[job.tensor.dtype]
        is_cast = job.dtype != job.tensor.dtype
        step = max(1, BUFFER_BYTES // (width * (_CAST_BYTES if is_cast else item)))
        for first in range(0, block.count, step):
            count = min(step, block.count - first)
            rows = self._buffer[: count * width * item].view(RAW[job.tensor.dtype]).reshape(count, width)
            content = rows.view(np.uint8)
            column = 0
            for chunk, row in block.parts:
                size = prod(chunk.shape[1:]) * item
                descriptor, start = self._reader.place(job.name, job.tensor, chunk)
                place = descriptor, start + (row + first) * size
                self._reader.read(job.name, place, [line[column : column + size].data for line in content])
                column += size
            self._write(self._cast(rows, job), position + first * job.row_bytes)

    def _cast(self, rows: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", job: Job) -> memoryview:
        try:
            return np.ascontiguousarray(cast(rows, job.tensor.dtype, job.dtype)).data.cast("B")
        except Overflow as error:
            raise damaged(self._where, f"{job.name} does not fit: {error}; convert with dtype=bf16") from error

    def _write(self, content: memoryview, position: int) -> None:
        while content:
            count = os.pwrite(self._output, content, position)
            content, position = content[count:], position + count
        self._advance(position)
