"""Which files a source stands for, what format each has, and how their bytes are opened."""

import bz2
import glob
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from data_prep.errors import DataError, UsageError
from data_prep.ingest import hub
from data_prep.ingest.settings import HUB, Format, SourceSettings
from data_prep.layout import REPOSITORY_ROOT

_ENDINGS: dict[str, Format] = {".jsonl": "jsonl", ".txt": "text", ".xml": "wikipedia"}
_NAME = re.compile(r"(\.jsonl|\.txt|\.xml)(?:-p\d+p\d+)?(?:\.gz|\.zst|\.zstd|\.bz2)?$")
"""Parts of a Wikipedia dump are called ...xml-p1p41242.bz2."""

_PACKED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2"}

_MAGIC: dict[str, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "Parquet": re.compile(rb"PAR1"),
    "a zip archive": re.compile(rb"PK\x03\x04"),
    "a PDF": re.compile(rb"%PDF-"),
    "a Git LFS pointer": re.compile(rb"version https://git-lfs"),
}
_HEAD = 64
_SHOWN_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """One file of a source: one task."""

    name: str
    """Absolute path, or hf:// address."""
    format: Format
    identity: str | None = None
    """For files of the hub: what the hub says of the content; local files are hashed."""

    @property
    def path(self) -> Path | None:
        """The path of a local file."""
        return None if self.name.startswith(HUB) else Path(self.name)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content, decompressed, from its first byte.

        Raises:
            DataError: The content is of another kind than the name says.
        """
        with self.open_stored() as stored, _decompressed(stored, self.name) as file:
            yield file

    @contextmanager
    def open_stored(self) -> Iterator[BinaryIO]:
        """The content as it is stored, with random access."""
        with hub.open_file(self.name) if self.path is None else self.path.open("rb") as file:
            _refuse_misnamed(self.name, self.format, file.read(_HEAD))
            file.seek(0)
            yield cast("BinaryIO", file)


def files_of(source: SourceSettings) -> tuple[InputFile, ...]:
    """The files a source stands for, in the order of their names.

    Raises:
        UsageError: There are none, or a name does not say its format.
        DataError: The hub cannot be reached.
    """
    if source.hub_address:
        names, is_folder = _on_hub(source.hub_address)
    else:
        paths, is_folder = _local(source)
        names = dict.fromkeys(map(str, paths))
    if is_folder:
        names = {name: names[name] for name in _data_files(names, source)}
    return tuple(InputFile(name=name, format=_format(name, source), identity=names[name]) for name in names)


def _on_hub(address: str) -> tuple[dict[str, str | None], bool]:
    """Files of the hub with their identities, and whether they come from a folder."""
    listed = hub.list_files(address)
    if not listed:
        raise UsageError(
            "the hub has no file of this pattern", where=address, fix="look at the names on the dataset's Files page"
        )
    names: dict[str, str | None] = {file.address: f"{file.identity} {file.bytes} bytes" for file in listed}
    return names, not glob.has_magic(address) and [file.address for file in listed] != [address]


def _local(source: SourceSettings) -> tuple[list[Path], bool]:
    """Local files, and whether they come from a folder."""
    found = source.input
    if found.is_file():
        return [found], False
    if found.is_dir():
        inside = (path for path in found.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(found)))
        return sorted(inside, key=Path.as_posix), True
    pattern = str(source.path.expanduser())
    for root in (REPOSITORY_ROOT, Path.cwd()):
        matches = (root / name for name in glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207
        if files := sorted((path for path in matches if path.is_file()), key=Path.as_posix):
            return files, False
    raise UsageError(
        "no file has a name of this pattern" if glob.has_magic(pattern) else "this input file does not exist",
        where=str(found),
        fix="check the path: relative ones start at the repository root, then at the current folder",
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _data_files(names: Iterable[str], source: SourceSettings) -> list[str]:
    """Those files of a folder that are data: READMEs and checksums lie beside them."""
    every = list(names)
    found = [name for name in every if source.format != "auto" or format_of(name)]
    if found:
        return found
    others = ", ".join(Path(name).name for name in every[:_SHOWN_NAMES]) or "nothing"
    raise UsageError(
        f"no file in this folder has a name that says its format; found {others}",
        where=str(source.hub_address or source.path),
        fix=f"names end in {_endings()}\nor say what they are, e.g. format: jsonl",
    )


def _format(name: str, source: SourceSettings) -> Format:
    if source.format != "auto":
        return source.format
    if found := format_of(name):
        return found
    raise UsageError(
        f"cannot tell what kind of file {Path(name).name} is",
        where=name,
        fix=f"names end in {_endings()}\nor say what it is, e.g. format: jsonl",
    )


def format_of(name: str) -> Format | None:
    """The format a name stands for, if it says so."""
    if name.endswith(".parquet"):
        return "parquet"
    match = _NAME.search(name)
    return _ENDINGS[match[1]] if match else None


def _endings() -> str:
    return f".parquet, or {', '.join(_ENDINGS)}, also with {', '.join(_PACKED)}"


def _refuse_misnamed(name: str, kind: Format, head: bytes) -> None:
    """Content that shows by its first bytes that it is not what the name says."""
    found = next((what for what, magic in _MAGIC.items() if magic.match(head)), None)
    said = "Parquet" if kind == "parquet" else _PACKED.get(Path(name).suffix)
    if found in (None, said):
        return
    fix = "give the file its right name, or unpack it"
    if found == "a Git LFS pointer":
        fix = "fetch the data itself: git lfs pull, or huggingface-cli download"
    raise DataError(
        f"this file is {found}, which its name does not say",
        where=name,
        why="it would be read as something it is not",
        fix=fix,
    )


@contextmanager
def _decompressed(stored: BinaryIO, name: str) -> Iterator[IO[bytes]]:
    packing = _PACKED.get(Path(name).suffix)
    if packing == "gzip":
        with gzip.GzipFile(fileobj=stored) as file:
            yield cast("IO[bytes]", file)
    elif packing == "bzip2":
        with bz2.BZ2File(stored) as file:
            yield cast("IO[bytes]", file)
    elif packing == "zstd":
        import pyarrow as pa  # zstandard's own readers stop short without a word, or expand a whole chunk at once

        stream: Any = pa.CompressedInputStream(pa.PythonFile(stored, "r"), "zstd")
        with io.BufferedReader(stream, buffer_size=1 << 20) as file:
            yield file
    else:
        yield stored
