"""Reads a .nemo checkpoint in place: settings, tokenizer, and weights one tensor at a time.

A .nemo is an uncompressed tar of model_config.yaml, the tokenizer and model_weights/, a torch_dist checkpoint: a
pickled `.metadata` says which file, offset and length hold which rectangle ("chunk") of which tensor, and each
chunk is a `torch.save` record. Tensor and pipeline parallel checkpoints differ only in their chunks, so any layout
reads the same. Layers are stored either each under its own name or stacked along a first dimension; here they
always have their own names.
"""

import io
import pickle
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
import yaml
from torch import Tensor
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, TensorStorageMetadata

from data_prep.errors import DataError, UsageError

WEIGHTS = "model_weights/"
EMBEDDING = "embedding.word_embeddings.weight"
_STACKED = re.compile(r"decoder\.layers\.(?!\d+\.)(.+)")

_METADATA_MODULES = ("torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem")
_METADATA_GLOBALS = {
    ("pathlib", "PosixPath"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    *(("torch", name) for name in ("float32", "bfloat16", "float16", "uint8", "int64")),
}


class _MetadataUnpickler(pickle.Unpickler):
    """Builds checkpoint metadata and nothing else: a pickle may name any function to call."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _METADATA_MODULES or (module, name) in _METADATA_GLOBALS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it would call {module}.{name}")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A rectangle of a tensor and where its bytes are."""

    start: tuple[int, ...]
    shape: tuple[int, ...]
    file: str
    offset: int
    length: int
    layer: int | None
    """Index in the stored record's first dimension; None if the record is the rectangle itself."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """One tensor of the model, whole."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An opened .nemo; nothing but the metadata has been read.

    Attributes:
        path: The archive.
        config: Its model_config.yaml.
        tensors: Model weights by megatron-core name, without wrapper prefix; optimizer states are left out.
        members: First byte and size of every file in the archive.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    members: Mapping[str, tuple[int, int]]

    def read_member(self, name: str) -> bytes:
        """A small file of the archive."""
        with self.path.open("rb") as file:
            return _read(file, *self.members[name])

    def read(self, name: str) -> Tensor:
        """One whole tensor, put together from its chunks.

        Raises:
            DataError: The archive is cut off or holds something else there.
        """
        stored = self.tensors[name]
        whole = torch.empty(stored.shape, dtype=stored.dtype)
        with self.path.open("rb") as file:
            for chunk in stored.chunks:
                region = tuple(slice(start, start + size) for start, size in zip(chunk.start, chunk.shape, strict=True))
                whole[region] = self._read_chunk(file, name, chunk)
        return whole

    def tokenizer_model(self) -> bytes:
        """The SentencePiece model inside.

        Raises:
            UsageError: The tokenizer is of another library, or outside the archive.
        """
        settings = self.config["tokenizer"]
        model = str(settings.get("model") or "")
        name = model.removeprefix("nemo:")
        if settings.get("library") != "sentencepiece" or settings.get("sentencepiece_legacy"):
            found = {key: settings.get(key) for key in ("library", "sentencepiece_legacy", "type")}
            raise UsageError(
                f"only plain SentencePiece tokenizers can be converted, found {found}",
                where=f"tokenizer in {self.path}/model_config.yaml",
                fix="train with tokenizer.library=sentencepiece tokenizer.sentencepiece_legacy=false",
            )
        if not model.startswith("nemo:") or name not in self.members:
            raise UsageError(
                f"the tokenizer is not inside the archive: {model or 'no tokenizer.model'}",
                where=f"tokenizer.model in {self.path}/model_config.yaml",
                fix="save the .nemo again with NeMo's save_to, which packs the tokenizer",
            )
        return self.read_member(name)

    def _read_chunk(self, file: BinaryIO, name: str, chunk: Chunk) -> Tensor:
        start, size = self.members.get(WEIGHTS + chunk.file, (0, 0))
        if chunk.offset + chunk.length > size:
            raise _damaged(self.path, f"{name} should be in {chunk.file}, which ends before it")
        record = _read(file, start + chunk.offset, chunk.length)
        try:
            tensor = torch.load(io.BytesIO(record), map_location="cpu", weights_only=True)
        except Exception as error:
            raise _damaged(self.path, f"{name} cannot be read: {error}") from error
        part = tensor if chunk.layer is None else tensor[chunk.layer]
        if tuple(part.shape) != chunk.shape:
            raise _damaged(self.path, f"{name} has shape {tuple(part.shape)} where {chunk.shape} should be")
        return part


def open_checkpoint(path: Path) -> Checkpoint:
    """Opens a .nemo checkpoint.

    Raises:
        UsageError: Not there, or not a .nemo with torch_dist weights.
        DataError: Damaged.
    """
    if not path.is_file():
        raise UsageError("there is no such .nemo file", where=str(path), fix=f"ls {path.parent}")
    members = _members(path)
    with path.open("rb") as file:
        config = yaml.safe_load(_read(file, *members["model_config.yaml"]))
        metadata = _load_metadata(path, _read(file, *members[f"{WEIGHTS}.metadata"]))
    return Checkpoint(path=path, config=config, tensors=index_tensors(metadata, path), members=members)


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Where every file of the archive lies; what makes it a .nemo is among them."""
    try:
        with tarfile.open(path, "r:") as tar:
            files = {
                member.name.removeprefix("./"): (member.offset_data, member.size) for member in tar if member.isfile()
            }
    except tarfile.TarError as error:
        raise _not_nemo(path, f"not an uncompressed tar archive ({error})") from error
    if "model_config.yaml" not in files:
        raise _not_nemo(path, "it holds no model_config.yaml")
    if f"{WEIGHTS}.metadata" not in files:
        raise _not_nemo(path, "its weights are not a torch_dist checkpoint (no model_weights/.metadata)")
    return files


def _not_nemo(path: Path, what: str) -> UsageError:
    return UsageError(
        f"this is not a .nemo checkpoint that can be converted: {what}",
        where=str(path),
        fix="give the .nemo that a langadapt or NeMo 2.1 run saved (checkpoints/*.nemo)\n"
        "an older one: load it in NeMo 2.1 with model.dist_ckpt_format=torch_dist and save it again",
    )


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"this checkpoint is damaged: {what}",
        where=str(path),
        why="a converted model would have wrong weights",
        fix="copy it again, or save it again from the run",
    )


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _load_metadata(path: Path, pickled: bytes) -> Metadata:
    try:
        metadata = _MetadataUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:
        raise _damaged(path, f"its .metadata is refused: {error}") from error
    if not isinstance(metadata, Metadata):
        raise _damaged(path, f"its .metadata holds a {type(metadata).__name__}")
    return metadata


def index_tensors(metadata: Metadata, path: Path) -> dict[str, StoredTensor]:
    """The model's tensors, each layer under its own name.

    Args:
        metadata: What `.metadata` holds.
        path: Names the checkpoint in errors.
    """
    entries = {
        key: entry for key, entry in metadata.state_dict_metadata.items() if isinstance(entry, TensorStorageMetadata)
    }
    prefixes = [key.removesuffix(EMBEDDING) for key in entries if key.endswith(EMBEDDING)]
    if not prefixes:
        raise UsageError("this checkpoint has no word embeddings: it is not a megatron-core GPT model", where=str(path))
    prefix = min(prefixes, key=len)  # "optimizer.state.….module." also ends so
    tensors: dict[str, StoredTensor] = {}
    for key, entry in entries.items():
        if key.startswith(prefix):
            tensors |= _stored(key, key.removeprefix(prefix), entry, metadata.storage_data, path)
    return tensors


def _stored(
    key: str, name: str, entry: TensorStorageMetadata, storage: Mapping[MetadataIndex, Any], path: Path
) -> dict[str, StoredTensor]:
    """One stored tensor, or one for every layer of a stack."""
    records = [_record(key, tuple(chunk.offsets), tuple(chunk.sizes), storage, path) for chunk in entry.chunks]
    if (stacked := _STACKED.fullmatch(name)) is None:
        shape, chunks = tuple(entry.size), {name: records}
    else:
        shape, layers = tuple(entry.size)[1:], range(entry.size[0])
        chunks = {
            f"decoder.layers.{layer}.{stacked[1]}": [part for record in records for part in _unstack(record, layer)]
            for layer in layers
        }
    for tensor, parts in chunks.items():
        if sum(prod(part.shape) for part in parts) != prod(shape):
            raise _damaged(path, f"the chunks of {tensor} do not cover it")
    return {
        tensor: StoredTensor(shape=shape, dtype=entry.properties.dtype, chunks=tuple(parts))
        for tensor, parts in chunks.items()
    }


def _record(
    key: str, start: tuple[int, ...], shape: tuple[int, ...], storage: Mapping[MetadataIndex, Any], path: Path
) -> Chunk:
    info = storage.get(MetadataIndex(key, torch.Size(start)))
    if info is None:
        raise _damaged(path, f"a chunk of {key} is missing")
    return Chunk(
        start=start,
        shape=shape,
        file=str(info.relative_path),
        offset=info.offset,
        length=info.length,
        layer=None,
    )


def _unstack(chunk: Chunk, layer: int) -> list[Chunk]:
    """The part of a stacked chunk that belongs to a layer, if any."""
    index = layer - chunk.start[0]
    if not 0 <= index < chunk.shape[0]:
        return []
    return [
        Chunk(
            start=chunk.start[1:],
            shape=chunk.shape[1:],
            file=chunk.file,
            offset=chunk.offset,
            length=chunk.length,
            layer=index,
        )
    ]
