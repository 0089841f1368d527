"""Stage ingest: one task per input file, cut into shards that later stages can take side by side.

Files are numbered in the order of their names; file 3 becomes 00003.jsonl.zst, and 00003-001.jsonl.zst and so on when
it has more characters than a shard takes. When the list of files changes, the files whose number changed are read
again, and what is left of earlier ones is removed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from data_prep.documents import Dataset, Document, Record
from data_prep.files import shard_writer
from data_prep.ingest.inputs import InputFile, files_of
from data_prep.ingest.records import SourceFile
from data_prep.ingest.settings import SourceSettings
from data_prep.jsonl import look_at_start
from data_prep.layout import SHARD_SUFFIX, Layout
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, split_off_rejects


def stage(settings: PrepSettings) -> Stage:
    """One task per input file."""
    files = (file for source in settings.sources for file in source_files(settings, source, files_of(source)))
    return Stage(name="ingest", steps=(Step(name="documents", tasks=tuple(_task(settings, file) for file in files)),))


def check(settings: PrepSettings) -> None:
    """Refuse missing, empty or malformed input before any work, by the first rows of each file (of one on the hub).

    Not when a later stage runs alone: the files are read by nobody then.
    """
    if settings.stage not in (None, "ingest"):
        return
    for source in settings.sources:
        files = source_files(settings, source, files_of(source))
        for file in files[:1] if source.hub_address else files:
            look_at_start(file())


def source_files(
    settings: PrepSettings, source: SourceSettings, files: tuple[InputFile, ...]
) -> tuple[SourceFile, ...]:
    """How each file of a source is read."""
    return tuple(
        SourceFile(
            source=source,
            file=file,
            index=index,
            is_only=len(files) == 1,
            on_bad_line=settings.on_bad_line,
            max_document_bytes=settings.ingest.max_document_bytes,
        )
        for index, file in enumerate(files)
    )


def _task(settings: PrepSettings, file: SourceFile) -> Task:
    layout, dataset, name = settings.layout, file.source.dataset, f"{file.index:05d}"
    shaping = asdict(file)
    del shaping["source"]["path"]
    if file.file.path:
        del shaping["file"]["name"]  # it is in the receipt, as an input
    return Task(
        name=f"{dataset.name}/{name}",
        group=dataset.name,
        settings=shaping | {"shard_characters": settings.ingest.shard_characters},
        inputs=(file.file.path,) if file.file.path else (),
        receipt=layout.stage_receipt("ingest", dataset.name, name),
        read=file,
        write=WriteParts(
            layout=layout,
            dataset=dataset,
            name=name,
            shard_characters=settings.ingest.shard_characters,
            file=file.file,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class WriteParts:
    """Writes the documents of one file as shards of bounded size, and its rejects."""

    layout: Layout
    dataset: Dataset
    name: str
    shard_characters: int
    file: InputFile

    def __call__(self, records: Iterable[Record], _tally: Tally) -> Written:
        """Write the parts of this file, in place of those of an earlier run."""
        for stale in self._on_disk():
            stale.unlink()
        rejects = self.layout.rejects("ingest", self.dataset.name, self.name)
        parts: list[Path] = []
        with split_off_rejects(records, rejects) as kept:
            numbered = number_parts(kept, self.shard_characters)
            for part, documents in groupby(numbered, key=lambda pair: pair[0]):
                parts.append(self._part(part))
                with shard_writer(parts[-1]) as write:
                    for _, document in documents:
                        write(document.to_json())
        if not parts:
            parts.append(self._part(0))
            with shard_writer(parts[0]):
                pass
        hub = {"hub": {"file": self.file.name, "content": self.file.identity}} if self.file.identity else {}
        return Written(outputs=(*parts, rejects), details={"format": self.file.format, "parts": len(parts), **hub})

    def _part(self, part: int) -> Path:
        name = f"{self.name}-{part:03d}" if part else self.name
        return self.layout.stage_shard("ingest", self.dataset.name, name)

    def _on_disk(self) -> list[Path]:
        """Parts of this file that an earlier run left, also one that was killed."""
        folder = self.layout.folder("ingest", self.dataset.name)
        return [self._part(0)] * self._part(0).is_file() + sorted(folder.glob(f"{self.name}-*{SHARD_SUFFIX}"))


def number_parts(documents: Iterable[Document], shard_characters: int) -> Iterator[tuple[int, Document]]:
    """Documents with the number of the shard each goes to, in order.

    A shard takes documents until the next would bring it over `shard_characters`; a longer document is alone.
    """
    part = characters = 0
    for document in documents:
        if characters and characters + len(document.text) > shard_characters:
            part, characters = part + 1, 0
        characters += len(document.text)
        yield part, document
