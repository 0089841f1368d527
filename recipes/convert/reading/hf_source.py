"""Reads a Hugging Face model folder: its settings, and rows of its weights, without holding a tensor.

Weights are `model.safetensors` or `pytorch_model.bin`, one file or several with an index.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from data_prep.errors import DataError, UsageError
from recipes.convert.casts import ITEM_BYTES
from recipes.convert.direct_files import BLOCK_BYTES, RangeInput
from recipes.convert.torch_records import Located, locate_tensors

FORMS = ("model.safetensors", "pytorch_model.bin")
SAMPLE_BYTES = 4096

_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True, kw_only=True)
class HfSource:
    """An opened folder; of its weights nothing but the headers has been read.

    Attributes:
        folder: Where.
        config: Its config.json.
        files: Files that hold weights.
        tensors: Every tensor by name.
    """

    folder: Path
    config: Mapping[str, Any]
    files: tuple[Path, ...]
    tensors: Mapping[str, Located]

    @contextmanager
    def reader(self) -> "Iterator[Reader]":
        """Keeps all files open while rows are read, which are hashed meanwhile."""
        with ExitStack() as stack:
            yield Reader({path: stack.enter_context(closing(RangeInput(path, is_shared=True))) for path in self.files})


@dataclass(frozen=True)
class Reader:
    """Open files of weights."""

    inputs: Mapping[Path, RangeInput]

    def rows(self, tensor: Located, first: int, count: int) -> Iterator[memoryview]:
        """The bytes of rows, piece by piece; each is valid until the next one is taken.

        Raises:
            DataError: The file has become shorter since it was opened.
        """
        file, row = self.inputs[tensor.file], prod(tensor.shape[1:]) * ITEM_BYTES[tensor.dtype]
        start, end = tensor.offset + first * row, tensor.offset + (first + count) * row
        while start < end:
            data = file.read(start, min(BLOCK_BYTES, end - start))
            if len(data) % ITEM_BYTES[tensor.dtype] or not data:
                raise _cut_off(tensor.file, start + len(data), end)
            yield data
            start += len(data)

    def sample(self, tensor: Located) -> bytes:
        """The first and last bytes of a tensor."""
        size, end = min(SAMPLE_BYTES, tensor.size), tensor.offset + tensor.size
        descriptor = self.inputs[tensor.file].descriptor
        return b"".join(os.pread(descriptor, size, start) for start in (tensor.offset, end - size))


def open_folder(folder: Path) -> HfSource:
    """Opens a model folder.

    Raises:
        UsageError: Not there, or no model folder.
        DataError: A file is missing, cut off or no such file.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=str(folder), fix=f"ls {folder.parent}")
    path = folder / "config.json"
    if not path.is_file():
        raise UsageError(
            "this is not a Hugging Face model folder: it holds no config.json",
            where=str(folder),
            fix="give the folder that `huggingface-cli download ORG/MODEL --local-dir FOLDER` made",
        )
    files = weight_files(folder)
    tensors: dict[str, Located] = {}
    for file in files:
        tensors |= locate_tensors(file) if file.suffix == ".bin" else _read_header(file)
    for name, tensor in tensors.items():
        if tensor.offset + tensor.size > tensor.file.stat().st_size:
            raise _cut_off(tensor.file, tensor.file.stat().st_size, tensor.offset + tensor.size, name)
    return HfSource(folder=folder, config=_read_json(path), files=files, tensors=tensors)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files of the first form that is there: safetensors before .bin, as transformers chooses."""
    for name in FORMS:
        if (folder / name).is_file():
            return (folder / name,)
        if (index := folder / f"{name}.index.json").is_file():
            files = tuple(folder / file for file in sorted(set(_read_json(index)["weight_map"].values())))
            if missing := [file.name for file in files if not file.is_file()]:
                raise DataError(
                    f"{len(missing)} of {len(files)} files of weights are missing: {', '.join(missing[:3])}",
                    where=str(index),
                    why="the model would lack tensors",
                    fix="download the folder again: files already there are kept",
                )
            return files
    raise UsageError(
        "this folder holds no weights",
        where=str(folder),
        fix=f"there must be {' or '.join(FORMS)}, or its .index.json and the files named there",
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"this is not JSON: {error}", where=str(path), fix="download it again") from error
    if not isinstance(value, dict):
        raise DataError("this JSON holds no settings", where=str(path), fix="download it again")
    return value


def _read_header(path: Path) -> dict[str, Located]:
    """Where the tensors of a safetensors file are: 8 bytes with the header's length, the header, the tensors."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            entries = json.loads(file.read(length) if length <= path.stat().st_size else b"")
        return {
            name: Located(
                file=path,
                offset=8 + length + entry["data_offsets"][0],
                dtype=_DTYPES[entry["dtype"]],
                shape=tuple(entry["shape"]),
            )
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the header of this safetensors file cannot be read: {error!r}",
            where=str(path),
            why=f"a weight must be named, with its place and one of the types {', '.join(_DTYPES)}",
            fix="download it again and compare its SHA-256 with the publisher's",
        ) from error


def _cut_off(path: Path, found: int, needed: int, name: str = "a tensor") -> DataError:
    return DataError(
        f"this file ends too early: it has {found:,} bytes, {name} ends at {needed:,}",
        where=str(path),
        why="the model would have wrong weights",
        fix="download it again and compare its SHA-256 with the publisher's",
    )
