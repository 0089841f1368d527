"""Whole tensors of a checkpoint, put together by the code that converts."""

import tempfile
from pathlib import Path

import torch

from recipes.convert.copying import Copier, Job
from recipes.convert.direct_files import DirectOutput
from recipes.convert.reading.checkpoint import Checkpoint
from recipes.convert.row_plan import blocks


def read_tensor(source: Checkpoint, name: str, rows=None, dtype: str | None = None) -> torch.Tensor:
    """A tensor, or (first, count) ranges of its rows."""
    stored = source.tensors[name]
    wanted = rows or [(0, stored.shape[0])]
    job = Job(
        name=name, tensor=stored, blocks=blocks(name, stored, wanted, str(source.path)), dtype=dtype or stored.dtype
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tensor"
        with DirectOutput(path) as output, source.open() as reader:
            Copier(reader, output, str(source.path)).write(job)
            output.finish()
        content = torch.frombuffer(bytearray(path.read_bytes()), dtype=getattr(torch, job.dtype))
    return content.view(-1, *stored.shape[1:])
