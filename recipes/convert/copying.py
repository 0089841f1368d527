"""Copies rows of stored tensors into a file.

Rows of a chunk as wide as the tensor, in the dtype wanted, go as they are; those of column-parallel chunks are put
together in a small buffer, and cast there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from recipes.convert.casts import ITEM_BYTES, RAW, Overflow, cast
from recipes.convert.direct_files import BLOCK_BYTES, DirectOutput
from recipes.convert.reading.records import Place, RecordReader
from recipes.convert.reading.stored_tensors import StoredTensor, damaged
from recipes.convert.row_plan import Block

BUFFER_BYTES = BLOCK_BYTES
_CAST_BYTES = 16
"""Of an element while it is cast: as it is stored, in fp32, its rounded bits, and as it is written."""


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
    """Writes tensors one after the other.

    Args:
        reader: Of the checkpoint.
        output: The file.
        where: Names the checkpoint in errors.
    """

    def __init__(self, reader: RecordReader, output: DirectOutput, where: str) -> None:
        self._reader, self._output, self._where = reader, output, where
        self._buffer = np.empty(BUFFER_BYTES, np.uint8)

    def write(self, job: Job) -> None:
        """Writes one tensor.

        Raises:
            DataError: The checkpoint ends too early, or holds a value that the dtype wanted cannot.
        """
        for block in job.blocks:
            is_one_run = len(block.parts) == 1 and job.dtype == job.tensor.dtype
            (self._copy_run if is_one_run else self._copy_rows)(job, block)

    def _copy_run(self, job: Job, block: Block) -> None:
        chunk, row = block.parts[0]
        file, start = self._reader.place(job.name, job.tensor, chunk)
        for data in self._reader.read(job.name, Place(file, start + row * job.row_bytes), block.count * job.row_bytes):
            self._output.write(data)

    def _copy_rows(self, job: Job, block: Block) -> None:
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
                file, start = self._reader.place(job.name, job.tensor, chunk)
                (data,) = self._reader.read(job.name, Place(file, start + (row + first) * size), count * size)
                content[:, column : column + size] = np.frombuffer(data, np.uint8).reshape(count, size)
                column += size
            self._output.write(self._cast(rows, job))

    def _cast(self, rows: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", job: Job) -> memoryview:
        try:
            return np.ascontiguousarray(cast(rows, job.tensor.dtype, job.dtype)).data.cast("B")
        except Overflow as error:
            raise damaged(self._where, f"{job.name} does not fit: {error}; convert with dtype=bf16") from error
