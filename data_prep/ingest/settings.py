"""What a preparation may say about its sources and about stage ingest."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.documents import Dataset, Kind
from data_prep.jsonl import MAX_LINE_BYTES
from data_prep.layout import resolve_input

Format = Literal["jsonl", "parquet", "text", "wikipedia"]
TextUnit = Literal["file", "line", "block"]

HUB = "hf://"


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """Files of documents that share language, kind, source and licence."""

    path: Path
    """A file, a folder, a pattern such as `corpus/*.parquet`, or files of the Hugging Face hub:
    `hf://datasets/ORG/NAME[@REVISION]/FILE_FOLDER_OR_PATTERN`. Relative paths start at the repository root. A folder
    stands for the files below it whose names say their format (all its files when `format` is given)."""
    format: Literal["auto", "jsonl", "parquet", "text", "wikipedia"] = "auto"
    """auto: by name: .jsonl, .txt and .xml, also .gz, .zst, .zstd or .bz2, and .parquet. wikipedia: a MediaWiki XML
    dump, e.g. hiwiki-20231101-pages-articles.xml.bz2."""
    lang: str
    """BCP-47 with script: hi-Deva, en-Latn."""
    kind: Kind
    source: str
    """Short name of the collection; names folders and prefixes."""
    license: str
    text_field: str = "text"
    id_field: str | None = "id"
    """null: documents are named after their line number. Plain text has no fields and is always named so."""
    group_field: str | None = None
    """Field that parallel documents share, so that all fall on one side of the train/held-out split."""
    license_field: str | None = None
    """Field with a document's own licence; where it is empty, `license` holds."""
    text_unit: TextUnit = "file"
    """What one document of a .txt file is: the file, a line, or a block between empty lines."""
    limit: int | None = None
    """Read at most this many rows of each file, good or bad; null reads all."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]{2,3}-[A-Z][a-z]{3}", self.lang):
            raise ValueError(
                f"lang {self.lang!r} is not a language with its script\ne.g. lang: hi-Deva, hi-Latn or en-Latn"
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.source):
            raise ValueError(
                f"source {self.source!r} names folders\nuse letters, digits, `-` and `_`, e.g. source: my_corpus"
            )
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit {self.limit} reads nothing\ne.g. limit: 1000, or null for all")

    @property
    def dataset(self) -> Dataset:
        """What is made of this source."""
        return Dataset(source=self.source, lang=self.lang, kind=self.kind)

    @property
    def input(self) -> Path:
        """Absolute path of local files."""
        return resolve_input(self.path)

    @property
    def hub_address(self) -> str | None:
        """The hf:// address, if the files are on the hub (a Path folds its two slashes into one)."""
        text = self.path.as_posix()
        return HUB + text[len("hf:") :].lstrip("/") if text.startswith("hf:/") else None


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """How stage ingest reads and cuts."""

    shard_characters: int = 100_000_000
    """A file with more characters than this is cut into several shards, which later stages take side by side."""
    max_document_bytes: int = MAX_LINE_BYTES
    """Longer lines, cells, pages and text files are rejected without being held in memory. A worker needs about six
    times this much for the longest one it accepts."""

    def __post_init__(self) -> None:
        for name in ("shard_characters", "max_document_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} leaves no room for a document\ne.g. 100000000")
