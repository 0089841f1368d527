"""Whole tensors of a checkpoint, put together by the code that converts."""

import tempfile

import torch

from recipes.convert.checkpoint import Checkpoint
from recipes.convert.copying import Copier, Job
from recipes.convert.row_plan import blocks


def read_tensor(source: Checkpoint, name: str, rows=None, dtype: str | None = None) -> torch.Tensor:
    """A tensor, or (first, count) ranges of its rows."""
    stored = source.tensors[name]
    wanted = rows or [(0, stored.shape[0])]
    job = Job(
        name=name, tensor=stored, blocks=blocks(name, stored, wanted, str(source.path)), dtype=dtype or stored.dtype
    )
    with tempfile.TemporaryFile(dir=source.path.parent) as file, source.open() as reader:
        Copier(reader, file.fileno(), str(source.path), lambda _position: None).write(job, 0)
        file.seek(0)
        content = torch.frombuffer(bytearray(file.read()), dtype=getattr(torch, job.dtype))
    return content.view(-1, *stored.shape[1:])
