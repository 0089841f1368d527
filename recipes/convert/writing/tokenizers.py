"""The tokenizer of a checkpoint as transformers reads it: built from a SentencePiece model, or copied as it is.

A SentencePiece model is inside a .nemo, or where the run's config names it. Of a Hugging Face tokenizer NeMo packs
tokenizer.json alone; the names of its special tokens and its chat template are in the folder the config names.
"""

import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError
from data_prep.files import atomic_write
from recipes import hf_tokenizer, nemo_file
from recipes.convert.architectures.base import max_positions
from recipes.convert.reading.checkpoint import Checkpoint

HF_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("tokenizer.model", "chat_template.jinja", "vocab.json", "merges.txt"),
)
INSIDE = "tokenizer/"
END_OF_TURN = ("<|eot_id|>", "<|eom_id|>", "<|im_end|>")
"""Tokens that end an answer in the chat formats of Hugging Face bases."""


@dataclass(frozen=True, kw_only=True)
class SourceTokenizer:
    """A tokenizer found; nothing is loaded yet.

    Attributes:
        files: What decides its ids, by name.
        is_sentencepiece: Whether transformers' files are built from a SentencePiece model, not copied.
        max_length: Tokens the model takes.
        where: Names it in errors.
    """

    files: Mapping[str, bytes]
    is_sentencepiece: bool
    max_length: int
    where: str

    def encode(self, text: str) -> list[int]:
        """Ids of a text as training encodes it."""
        return self._encoder(text)

    @cached_property
    def _encoder(self) -> Callable[[str], list[int]]:
        if self.is_sentencepiece:
            from sentencepiece import SentencePieceProcessor

            ids: Callable[[str], list[int]] = SentencePieceProcessor(model_proto=self.files["tokenizer.model"]).encode
            return ids
        tokenizer = _load(self.files)
        return lambda text: list(tokenizer.encode(text, add_special_tokens=False))


@dataclass(frozen=True, kw_only=True)
class Written:
    """A tokenizer as transformers of 4.48 and later reads it.

    Attributes:
        length: Its entries.
        ids: bos_token_id, eos_token_id and pad_token_id.
        stops: Where generation ends: the end of a document and of an answer.
        files: By name.
    """

    length: int
    ids: Mapping[str, int | None]
    stops: list[int]
    files: Mapping[str, bytes]

    def save(self, folder: Path) -> None:
        """Writes the files."""
        for name, content in self.files.items():
            with atomic_write(folder / name) as file:
                file.write(content)


class Writing:
    """A tokenizer on its way to transformers' files, in a process of its own while the weights are copied.

    Without torch, and only where transformers is not loaded already: 256,000 pieces take seconds and 500 MB while they
    are turned into a tokenizer, which goes back to the system with that process.

    Raises:
        UsageError: A SentencePiece model cannot be represented exactly.
    """

    def __init__(self, source: SourceTokenizer) -> None:
        self._pieces: int | None = None
        if source.is_sentencepiece:
            self._pieces = hf_tokenizer.piece_count(source.files["tokenizer.model"], source.where)
        self._here = _write(source) if "transformers" in sys.modules else None
        if self._here is None:
            context = multiprocessing.get_context("spawn")
            self._child = ProcessPoolExecutor(1, mp_context=context, initializer=_without_torch)
            self._pending = self._child.submit(_write, source)

    @property
    def length(self) -> int:
        """Entries of the tokenizer."""
        return self.result().length if self._pieces is None else self._pieces

    def result(self) -> Written:
        """The files, waited for."""
        if self._here is None:
            self._here = self._pending.result()
            self._child.shutdown()
        return self._here


def _without_torch() -> None:
    os.environ |= {"USE_TORCH": "0", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}


def _write(source: SourceTokenizer) -> Written:
    if source.is_sentencepiece:
        model = source.files["tokenizer.model"]
        tokenizer = hf_tokenizer.build(model, max_length=source.max_length, where=source.where)
        stops = hf_tokenizer.stop_ids(tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    else:
        tokenizer, files = _load(source.files), _with_template(source.files)
        added = tokenizer.added_tokens_encoder
        stops = sorted({tokenizer.eos_token_id, *(added[token] for token in END_OF_TURN if token in added)})
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")}
    return Written(length=len(tokenizer), ids=ids, stops=stops, files=files)


def _load(files: Mapping[str, bytes]) -> Any:
    """A Hugging Face tokenizer of its files."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return AutoTokenizer.from_pretrained(folder)


def find(checkpoint: Checkpoint, given: Path | None) -> SourceTokenizer:
    """The tokenizer of a checkpoint.

    Args:
        checkpoint: Says which library it is of and where it was.
        given: `tokenizer=`: a tokenizer.model, or a folder with tokenizer.json, where the checkpoint's is not found.

    Raises:
        UsageError: It is not there, or cannot be represented exactly.
    """
    settings = checkpoint.config.get("tokenizer") or {}
    if settings.get("library") == "huggingface":
        return _hugging_face(checkpoint, settings, given)
    return SourceTokenizer(
        files={"tokenizer.model": sentencepiece_model(checkpoint, given)},
        is_sentencepiece=True,
        max_length=max_positions(checkpoint.config),
        where=f"{checkpoint.path}: its tokenizer",
    )


def sentencepiece_model(checkpoint: Checkpoint, given: Path | None = None) -> bytes:
    """The SentencePiece model of a checkpoint; arguments as in `find`.

    Raises:
        UsageError: The tokenizer is of another library, or not there.
    """
    settings = checkpoint.config.get("tokenizer") or {}
    if settings.get("library") != "sentencepiece" or settings.get("sentencepiece_legacy"):
        found = {key: settings.get(key) for key in ("library", "sentencepiece_legacy", "type")}
        raise UsageError(
            f"this tokenizer is not plain SentencePiece: {found}",
            where=f"tokenizer in the model config of {checkpoint.path}",
            fix="train with tokenizer.library=sentencepiece tokenizer.sentencepiece_legacy=false",
        )
    name = str(settings.get("model") or "")
    model = given.read_bytes() if given and given.is_file() else _packed_or_named(checkpoint, name)
    if model is None:
        raise _missing(checkpoint, name or "no tokenizer.model", "tokenizer=PATH of the run's tokenizer.model")
    return model


def _packed_or_named(checkpoint: Checkpoint, name: str) -> bytes | None:
    """The file a config names: inside the .nemo that the config came out of, beside it, or anywhere."""
    inside = name.removeprefix("nemo:")
    if name.startswith("nemo:") and checkpoint.archive:
        return nemo_file.read_tokenizer(checkpoint.archive, "model", inside)
    places = (checkpoint.path / inside, Path(inside)) if inside else ()
    return next((path.read_bytes() for path in places if path.is_file()), None)


def _hugging_face(checkpoint: Checkpoint, settings: Mapping[str, Any], given: Path | None) -> SourceTokenizer:
    named = settings.get("type")
    folder = given or (Path(named) if named else None)
    files = _files_inside(checkpoint) if given is None else {}
    if not files and folder:
        files = {name: (folder / name).read_bytes() for name in HF_FILES if (folder / name).is_file()}
    if "tokenizer.json" not in files:
        problem = f"{folder or 'no folder named'}: no tokenizer.json"
        raise _missing(checkpoint, problem, "tokenizer=FOLDER with the base's tokenizer.json and tokenizer_config.json")
    _require_the_same(checkpoint, settings, folder, files["tokenizer.json"])
    return SourceTokenizer(
        files=files, is_sentencepiece=False, max_length=max_positions(checkpoint.config), where=str(folder)
    )


def _files_inside(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The tokenizer's files in a .nemo that `to-nemo` made; NeMo itself packs tokenizer.json alone."""
    if checkpoint.archive is None:
        return {}
    found = ((name, nemo_file.read_tokenizer(checkpoint.archive, "model", INSIDE + name)) for name in HF_FILES)
    return {name: content for name, content in found if content is not None}


def _require_the_same(checkpoint: Checkpoint, settings: Mapping[str, Any], folder: Path | None, content: bytes) -> None:
    """Raises unless a folder's tokenizer.json is the one that is packed in the checkpoint, where one is."""
    packed = _packed_or_named(checkpoint, str(settings.get("model") or ""))
    if packed is not None and hashlib.sha256(packed).digest() != hashlib.sha256(content).digest():
        raise UsageError(
            "this tokenizer.json is not the one the model was trained with, which the checkpoint holds",
            where=str(folder),
            why="the model would see other tokens in transformers than it was trained on",
            fix="tokenizer=FOLDER of the base the model was trained from",
        )


def _with_template(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, the chat template in tokenizer_config.json too: transformers 4.48 reads no chat_template.jinja."""
    if "chat_template.jinja" not in files:
        return dict(files)
    settings = json.loads(files.get("tokenizer_config.json", b"{}"))
    settings.setdefault("chat_template", files["chat_template.jinja"].decode())
    return {**files, "tokenizer_config.json": json.dumps(settings, indent=2, ensure_ascii=False).encode() + b"\n"}


def _missing(checkpoint: Checkpoint, what: str, fix: str) -> UsageError:
    return UsageError(
        f"the tokenizer is neither in the checkpoint nor where its config says: {what}",
        where=f"tokenizer in the model config of {checkpoint.path}",
        why="a converted model without its tokenizer is of no use",
        fix=fix,
    )
