"""Reader, transforms and writer of a task as datatrove pipeline steps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from datatrove.data import Document as Carrier
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from data_prep.documents import Document, Record, Reject
from data_prep.tasks import Task, Transform, finish

_TAGS = [field.name for field in fields(Document) if field.name not in ("id", "text")]


class ReadStep(PipelineStep):  # type: ignore[misc]
    """Rank r reads the records of task r."""

    type = "reader"
    name = "documents"

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tasks

    def run(self, data: None, rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """Ignores `data`: this is the first step."""
        for record in self.tasks[rank].read():
            yield to_carrier(record)


class TransformStep(PipelineStep):  # type: ignore[misc]
    """Changes documents or turns them into rejects; rejects of earlier steps pass through."""

    type = "transform"

    def __init__(self, transform: Transform) -> None:
        self.name = getattr(transform, "__name__", type(transform).__name__)
        super().__init__()
        self.transform = transform

    def run(self, data: Iterable[Carrier], rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """One record out for every record in."""
        for carrier in data:
            record = from_carrier(carrier)
            yield carrier if isinstance(record, Reject) else to_carrier(self.transform(record))


class WriteStep(PipelineStep):  # type: ignore[misc]
    """Writes the outputs and the receipt of task `rank`."""

    type = "writer"
    name = "outputs and receipt"

    def __init__(self, stage: str, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.stage, self.tasks = stage, tasks

    def run(self, data: Iterable[Carrier], rank: int = 0, world_size: int = 1) -> Iterator[Carrier]:  # noqa: ARG002
        """Yields nothing: this is the last step."""
        receipt = finish(self.stage, self.tasks[rank], map(from_carrier, data))
        logger.info("{}: {} in {} s", self.tasks[rank].name, receipt.counts, receipt.seconds)
        yield from ()


def to_carrier(record: Record) -> Carrier:
    """The datatrove document that carries a record between steps; tags travel in its metadata."""
    if isinstance(record, Reject):
        return Carrier(record.text, record.id, metadata={"reject_reason": record.reason, "where": record.where})
    return Carrier(record.text, record.id, metadata={tag: getattr(record, tag) for tag in _TAGS})


def from_carrier(carrier: Carrier) -> Record:
    """The record a datatrove document carries; steps in between may add metadata of their own."""
    metadata = carrier.metadata
    if "reject_reason" in metadata:
        return Reject(
            id=carrier.id, reason=metadata["reject_reason"], where=metadata.get("where", ""), text=carrier.text
        )
    return Document(id=carrier.id, text=carrier.text, **{tag: metadata[tag] for tag in _TAGS})
