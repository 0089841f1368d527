"""Plans a whole conversion to Hugging Face: every tensor of every file, checked before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from data_prep.errors import DataError
from recipes.convert.architectures.base import Architecture, Shape
from recipes.convert.architectures.tensors import HfTensor, check_tensors, hf_tensors, megatron_tensors
from recipes.convert.copying import Job
from recipes.convert.reading.checkpoint import Checkpoint
from recipes.convert.row_plan import blocks
from recipes.convert.writing.safetensors_file import TensorSpec, read_header


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is written, in order.

    Attributes:
        tensors: The Hugging Face tensors.
        specs: As the files announce them.
        jobs: Where their rows are.
    """

    tensors: Sequence[HfTensor]
    specs: Sequence[TensorSpec]
    jobs: Sequence[Job]

    @property
    def elements(self) -> int:
        """Of all tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(spec.size for spec in self.specs)


def make(checkpoint: Checkpoint, architecture: Architecture, shape: Shape, dtype: str | None) -> Plan:
    """The plan of a conversion.

    Args:
        checkpoint: Opened.
        architecture: Of its settings.
        shape: Of its settings and tokenizer.
        dtype: To cast all weights to; None leaves each as it is stored.

    Raises:
        DataError: A tensor is missing, of another shape, of no such model, or not whole.
    """
    where = str(checkpoint.path)
    check_tensors({name: stored.shape for name, stored in checkpoint.tensors.items()}, architecture, shape, where)
    tensors = hf_tensors(architecture, shape)
    jobs = []
    for tensor in tensors:
        stored = checkpoint.tensors[tensor.source]
        rows = blocks(tensor.source, stored, tensor.rows, where)
        jobs.append(Job(name=tensor.source, tensor=stored, blocks=rows, dtype=dtype or stored.dtype))
    specs = [
        TensorSpec(name=tensor.name, dtype=job.dtype, shape=tensor.shape)
        for tensor, job in zip(tensors, jobs, strict=True)
    ]
    return Plan(tensors=tensors, specs=specs, jobs=jobs)


def padding_rows(checkpoint: Checkpoint, shape: Shape) -> int:
    """Rows of the embedding table beyond the vocabulary."""
    return checkpoint.tensors["embedding.word_embeddings.weight"].shape[0] - shape.vocabulary


def count_source(checkpoint: Checkpoint, architecture: Architecture, shape: Shape) -> int:
    """Elements of the checkpoint's weights without the padding of the vocabulary, counted from the checkpoint."""
    tables = sum(tensor.is_padded for tensor in megatron_tensors(architecture, shape))
    padding = tables * padding_rows(checkpoint, shape) * shape.hidden
    return sum(prod(stored.shape) for stored in checkpoint.tensors.values()) - padding


def require_written(folder: Path, plan: Plan, source_elements: int) -> None:
    """Raises unless the written files hold every tensor, and as many elements as the checkpoint.

    Raises:
        DataError: They do not.
    """
    entries = [entry for path in sorted(folder.glob("*.safetensors")) for entry in read_header(path).values()]
    elements = sum(prod(entry["shape"]) for entry in entries)
    if (len(entries), elements) != (len(plan.tensors), source_elements):
        raise DataError(
            f"{len(entries)} tensors with {elements:,} weights were written, of {len(plan.tensors)} with "
            f"{source_elements:,} in the checkpoint",
            where=str(folder),
            why="weights were lost or counted twice; the folder was removed",
            fix="report this with the model config of the checkpoint",
        )
