"""Writes the weights of a Hugging Face folder into the chunks of a torch_dist checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from isal.isal_zlib import crc32

from data_prep.errors import DataError
from recipes.convert.casts import ITEM_BYTES, RAW, Overflow, cast
from recipes.convert.direct_files import DirectOutput
from recipes.convert.reading.hf_source import HfSource, Reader
from recipes.convert.writing.nemo_archive import Chunk


@dataclass(frozen=True)
class Weights:
    """Open weights, and the dtype they are stored in."""

    source: HfSource
    reader: Reader
    dtype: str

    def fill(self, output: DirectOutput, chunk: Chunk) -> int:
        """Appends the elements of a chunk; returns their CRC-32.

        Raises:
            DataError: The source has become shorter, or holds a value that the dtype cannot.
        """
        checksum = 0
        for name, first, count in parts_of(chunk):
            if name:
                checksum = self._copy(output, name, first, count, checksum)
            else:
                zeros = bytes(prod(chunk.tensor.shape[1:]) * ITEM_BYTES[self.dtype])
                for _ in range(count):
                    output.write(zeros)
                    checksum = crc32(zeros, checksum)
        return checksum

    def _copy(self, output: DirectOutput, name: str, first: int, count: int, checksum: int) -> int:
        tensor = self.source.tensors[name]
        for piece in self.reader.rows(tensor, first, count):
            data = piece if tensor.dtype == self.dtype else self._cast(name, piece)
            checksum = crc32(data, checksum)
            output.write(data)
        return checksum

    def _cast(self, name: str, data: memoryview) -> memoryview:
        dtype = self.source.tensors[name].dtype
        try:
            return cast(np.frombuffer(data, RAW[dtype]), dtype, self.dtype).data.cast("B")
        except Overflow as error:
            raise DataError(f"{name} does not fit: {error}", where=str(self.source.folder), fix="dtype=bf16") from error


def parts_of(chunk: Chunk) -> Iterator[tuple[str, int, int]]:
    """(Hugging Face tensor, its first row, rows) that make up a chunk; rows of padding have the name ""."""
    end = chunk.first + chunk.rows
    for part in chunk.tensor.parts:
        first, last = max(part.first, chunk.first), min(part.first + part.count, end)
        if first < last:
            yield part.name, part.theirs + first - part.first, last - first
    if (padding := end - max(chunk.first, chunk.tensor.shape[0])) > 0:
        yield "", 0, padding
