"""Opens a checkpoint in place: a .nemo file, or a torch_dist folder as a training run leaves it under checkpoints/.

A .nemo is an uncompressed tar of model_config.yaml, the tokenizer and model_weights/, a torch_dist checkpoint. A
folder holds the weights alone, beside optimizer states, which are never read; what model they are of comes from the
run around it (`run_folder`).
"""

import hashlib
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from data_prep.errors import UsageError
from recipes.convert.casts import ITEM_BYTES
from recipes.convert.reading import pickles, run_folder
from recipes.convert.reading.records import Member, RecordReader
from recipes.convert.reading.stored_tensors import Chunk, StoredTensor, damaged, find_prefix, index_tensors

WEIGHTS = "model_weights/"
MODEL_CONFIG = "model_config.yaml"
SAMPLE_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An opened checkpoint; nothing but the metadata has been read.

    Attributes:
        path: The archive or the folder.
        config: NeMo's `model` section.
        tensors: Model weights by megatron-core name, without wrapper prefix; optimizer states are left out.
        files: The files of the weights, by the names the metadata calls them.
        archive: The .nemo that its config came out of, which holds the tokenizer too.
        metadata: The pickled list of tensors, as it is.
        prefix: Of the wrapper, before `embedding.` and `decoder.` in the stored names.
        is_stacked: Whether its layers are stacked along a first dimension.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    files: Mapping[str, Member]
    archive: Path | None
    metadata: bytes
    prefix: str
    is_stacked: bool

    def open(self) -> RecordReader:
        """A reader of the tensors' bytes."""
        return RecordReader(self.files, str(self.path), is_shared=self.path.is_file())

    def fingerprint(self, tokenizer: Mapping[str, bytes]) -> str:
        """SHA-256 over everything a conversion depends on, the weights by the first and last 4 KiB of every chunk.

        Training changes every part of every tensor, so this tells two checkpoints of one run apart in milliseconds,
        where a hash of all bytes takes as long as reading them.

        Args:
            tokenizer: Its files.
        """
        digest = hashlib.sha256(self.metadata)
        digest.update(yaml.safe_dump(dict(self.config)).encode())
        for name in sorted(tokenizer):
            digest.update(name.encode() + tokenizer[name])
        with self.open() as reader:
            for name in sorted(self.tensors):
                for chunk in self.tensors[name].chunks:
                    digest.update(self._sample(reader, name, chunk))
        return digest.hexdigest()

    def _sample(self, reader: RecordReader, name: str, chunk: Chunk) -> bytes:
        stored = self.tensors[name]
        file, start = reader.place(name, stored, chunk)
        size = prod(chunk.shape) * ITEM_BYTES[stored.dtype]
        return os.pread(file.descriptor, min(size, SAMPLE_BYTES), start) + os.pread(
            file.descriptor, min(size, SAMPLE_BYTES), start + max(0, size - SAMPLE_BYTES)
        )


def open_checkpoint(path: Path, *, model_config: Path | None = None) -> Checkpoint:
    """Opens a .nemo file or a folder of weights.

    Args:
        path: The checkpoint.
        model_config: For a folder: a YAML with NeMo's `model` section, where the run folder around it has none.

    Raises:
        UsageError: Not there, not a checkpoint with torch_dist weights, or a folder whose model config is not found.
        DataError: Damaged.
    """
    if path.is_dir():
        return _open_folder(path, model_config)
    if not path.is_file():
        raise UsageError("there is no such checkpoint: .nemo file or folder", where=str(path), fix=f"ls {path.parent}")
    members = _members(path)
    config = run_folder.plain(OmegaConf.create(_read(members[MODEL_CONFIG]).decode()))
    files = {name.removeprefix(WEIGHTS): member for name, member in members.items() if name.startswith(WEIGHTS)}
    return _opened(path, config, files, path)


def _open_folder(path: Path, model_config: Path | None) -> Checkpoint:
    """A checkpoint folder, or a .nemo unpacked into a folder."""
    weights = path if (path / ".metadata").is_file() else path / WEIGHTS
    if not (weights / ".metadata").is_file():
        raise _not_torch_dist(path)
    run_folder.require_finished(path)
    config, archive = run_folder.find_model_config(path, model_config)
    files = {
        file.name: Member(path=file, start=0, size=file.stat().st_size) for file in weights.iterdir() if file.is_file()
    }
    return _opened(path, config, files, archive)


def _opened(path: Path, config: Mapping[str, Any], files: Mapping[str, Member], archive: Path | None) -> Checkpoint:
    pickled = _read(files[".metadata"])
    try:
        metadata = pickles.load_metadata(pickled)
        prefix = find_prefix(metadata, str(path))
        tensors = index_tensors(metadata, prefix, str(path))
    except pickles.UNREADABLE as error:
        raise damaged(str(path), f"its .metadata is refused: {error}") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in ITEM_BYTES:
            raise UsageError(
                f"{name} is stored as {tensor.dtype}",
                where=str(path),
                why=f"only {', '.join(ITEM_BYTES)} weights can be converted",
                fix="save it again in bf16",
            )
    is_stacked = any(chunk.layer is not None for tensor in tensors.values() for chunk in tensor.chunks)
    return Checkpoint(
        path=path,
        config=config,
        tensors=tensors,
        files=files,
        archive=archive,
        metadata=pickled,
        prefix=prefix,
        is_stacked=is_stacked,
    )


def _members(path: Path) -> dict[str, Member]:
    """Where every file of the archive lies; what makes it a .nemo is among them."""
    try:
        with tarfile.open(path, "r:") as tar:
            files = {
                member.name.removeprefix("./"): Member(path=path, start=member.offset_data, size=member.size)
                for member in tar
                if member.isfile()
            }
    except tarfile.TarError as error:
        raise _not_nemo(path, f"not an uncompressed tar archive ({error})") from error
    if MODEL_CONFIG not in files:
        raise _not_nemo(path, f"it holds no {MODEL_CONFIG}")
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


def _not_torch_dist(path: Path) -> UsageError:
    inside = sorted(each for each in (path / "checkpoints").glob("*") if (each / ".metadata").is_file())
    is_zarr = any(path.glob("*/.zarray"))
    format_found = " (it is in the old zarr format)" if is_zarr else ""
    return UsageError(
        f"this folder is no torch_dist checkpoint: it has no .metadata{format_found}",
        where=str(path),
        fix=f"model={inside[-1]}"
        if inside
        else "give a folder under checkpoints/ of a run, or a .nemo\n"
        "zarr: load it in NeMo 2.1 with model.dist_ckpt_format=torch_dist and save it again",
    )


def _read(member: Member) -> bytes:
    with member.path.open("rb") as file:
        file.seek(member.start)
        return file.read(member.size)
