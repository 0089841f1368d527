"""Files in the formats stage ingest reads, and what becomes of them."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import zstandard

from data_prep.documents import Record
from data_prep.ingest.inputs import files_of
from data_prep.ingest.records import SourceFile
from data_prep.ingest.settings import SourceSettings

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
    ".zstd": zstandard.compress,
    ".bz2": bz2.compress,
}


def source(**changes: Any) -> SourceSettings:
    values = {"path": Path("a.jsonl"), "lang": "hi-Deva", "kind": "real", "source": "news", "license": "CC0-1.0"}
    return SourceSettings(**{**values, **changes})


def records(
    path: Path, on_bad_line: Literal["error", "reject"] = "error", max_bytes: int = 1 << 20, **changes: Any
) -> list[Record]:
    """All records of the files `path` stands for."""
    described = source(path=path, **changes)
    files = files_of(described)
    return [
        record
        for index, file in enumerate(files)
        for record in SourceFile(
            source=described,
            file=file,
            index=index,
            is_only=len(files) == 1,
            on_bad_line=on_bad_line,
            max_document_bytes=max_bytes,
        )()
    ]


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes bytes to a file below tmp_path, packed as its name says."""

    def make(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PACK.get(path.suffix, PACK[""])(content))
        return path

    return make
