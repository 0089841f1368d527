"""A tokenizer file as the rest of data preparation sees it: ids, sizes, and the encoding all others are held to.

A SentencePiece `tokenizer.model` is read by `sentencepiece`, a Hugging Face `tokenizer.json` by `tokenizers`. Either
way no token is added before or after a text, and control tokens that are spelled out in a document (`</s>`) stay plain
text: it cannot forge its own end.
"""

import functools
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError
from data_prep.files import sha256_file
from data_prep.indexed_dataset import token_dtype

SENTENCEPIECE_NAME, JSON_NAME = "tokenizer.model", "tokenizer.json"
_SETTINGS_NAMES = ("tokenizer_config.json", "special_tokens_map.json")
"""Files of a Hugging Face folder that name special tokens; the first that names one decides, as in transformers."""

Ids = list[int]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """One tokenizer, loaded."""

    path: Path
    """tokenizer.model or tokenizer.json."""
    size: int
    """Entries as NeMo and Megatron count them, special and added tokens included; every id is below."""
    eod_id: int
    """What ends a document: NeMo's `eos_id`."""
    bos_id: int | None
    library: str
    """Name and version of the library that encodes."""
    encode: Callable[[Sequence[str]], list[Ids]]
    """Ids of each document, on one core: control tokens spelled out in it are plain text."""
    encode_prompts: Callable[[Sequence[str]], list[Ids]]
    """Ids of each prompt, as NeMo encodes it: Hugging Face's special tokens become their ids."""
    decode: Callable[[Sequence[int]], str]
    """The text of ids, special tokens spelled out."""
    backend: Any
    """The library's own object: a SentencePieceProcessor or a tokenizers.Tokenizer."""

    @property
    def is_sentencepiece(self) -> bool:
        """Whether it is a SentencePiece model, not a Hugging Face tokenizer."""
        return self.path.suffix == ".model"

    @property
    def sha256(self) -> str:
        """Checksum of the file that decides the ids."""
        return sha256_file(self.path)

    @property
    def dtype(self) -> str:
        """In which Megatron stores its ids."""
        return token_dtype(self.size)


def files(path: Path) -> tuple[Path, ...]:
    """All files that belong to a tokenizer, itself first; Hugging Face keeps the names of its tokens apart."""
    beside = (path.with_name(name) for name in _SETTINGS_NAMES) if path.suffix == ".json" else ()
    return (path, *filter(Path.is_file, beside))


def locate(given: Path) -> Path | None:
    """The tokenizer file meant by a file or a folder, if there is one."""
    return next(filter(Path.is_file, (given, given / JSON_NAME, given / SENTENCEPIECE_NAME)), None)


def find(given: Path) -> Path:
    """The tokenizer file a user means by a file or a folder.

    Raises:
        UsageError: There is none.
    """
    found = locate(given)
    if found is None or found.suffix not in (".model", ".json"):
        raise UsageError(
            "this is neither a tokenizer.model nor a tokenizer.json" if found else "this tokenizer does not exist",
            where=str(given),
            fix="give a SentencePiece tokenizer.model, a Hugging Face folder or tokenizer.json,\n"
            "or tokenizer.model=null to train one",
        )
    return found


def load(given: Path) -> Vocabulary:
    """The tokenizer of a file or folder.

    Raises:
        UsageError: It is missing, damaged, or cannot end a document.
    """
    path = find(given)
    return _load(path, tuple(map(sha256_file, files(path))))


@functools.lru_cache(maxsize=2)
def _load(path: Path, _checksums: tuple[str, ...]) -> Vocabulary:
    """One for all tasks of a process, as long as its files stay the same."""
    return _load_sentencepiece(path) if path.suffix == ".model" else _load_json(path)


def _load_sentencepiece(path: Path) -> Vocabulary:
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError, TypeError) as error:
        raise _unreadable("SentencePiece model", path, error) from error
    if processor.eos_id() < 0:
        raise _no_eod("</s>", path, "train it with eos_id set (SentencePiece: --eos_id=3)")
    encode = functools.partial(_encode_pieces, processor)
    return Vocabulary(
        path=path,
        size=processor.get_piece_size(),
        eod_id=processor.eos_id(),
        bos_id=processor.bos_id() if processor.bos_id() >= 0 else None,
        library=_version("sentencepiece"),
        encode=encode,
        encode_prompts=encode,
        decode=processor.decode,
        backend=processor,
    )


def _encode_pieces(processor: Any, texts: Sequence[str]) -> list[Ids]:
    ids: list[Ids] = processor.encode(list(texts), num_threads=1)
    return ids


def _load_json(path: Path) -> Vocabulary:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise _unreadable("Hugging Face tokenizer", path, error) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    named = _named_tokens(path)
    _refuse_missing_tokens(path, tokenizer, named)
    if "eos_token" not in named:
        raise _no_eod("eos_token", path, f'"eos_token": "<|endoftext|>" in {path.with_name(_SETTINGS_NAMES[0])}')
    return Vocabulary(
        path=path,
        size=tokenizer.get_vocab_size(with_added_tokens=True),
        eod_id=tokenizer.token_to_id(named["eos_token"]),
        bos_id=tokenizer.token_to_id(named["bos_token"]) if "bos_token" in named else None,
        library=_version("tokenizers"),
        encode=functools.partial(_encode_json, tokenizer, special_as_text=True),
        encode_prompts=functools.partial(_encode_json, tokenizer, special_as_text=False),
        decode=functools.partial(tokenizer.decode, skip_special_tokens=False),
        backend=tokenizer,
    )


def _encode_json(tokenizer: Any, texts: Sequence[str], *, special_as_text: bool) -> list[Ids]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a task has one core
    tokenizer.encode_special_tokens = special_as_text
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def _named_tokens(path: Path) -> dict[str, str]:
    """{eos_token: </s>, ...} of the files beside a tokenizer.json, those of `added_tokens_decoder` by their id.

    Raises:
        UsageError: A file is no JSON object.
    """
    named: dict[str, str] = {}
    for file in files(path)[1:]:
        settings = _read_settings(file)
        for name, value in settings.items():
            content = value.get("content") if isinstance(value, dict) else value
            if name.endswith("_token") and isinstance(content, str):
                named.setdefault(name, content)
        for number, token in settings.get("added_tokens_decoder", {}).items():
            named.setdefault(f"token {number}", token["content"])
    return named


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_bytes())
    except ValueError as error:
        raise _unreadable("Hugging Face tokenizer", path, error) from error
    if not isinstance(settings, dict):
        raise _unreadable("Hugging Face tokenizer", path, TypeError("not a JSON object"))
    return settings


def _refuse_missing_tokens(path: Path, tokenizer: Any, named: Mapping[str, str]) -> None:
    """Tokens that tokenizer.json lacks get new ids from transformers, and gaps make ids larger than the count."""
    known = tokenizer.get_vocab(with_added_tokens=True)
    missing = [f"{content!r} ({name})" for name, content in named.items() if content not in known]
    if missing:
        wrong = f"it lacks {', '.join(missing)} of the files beside it"
    elif (last := max(known.values(), default=0)) >= len(known):
        wrong = f"it has {len(known)} entries, but an id {last}"
    else:
        wrong = ""
    if wrong:
        raise UsageError(
            f"this tokenizer would have other ids in NeMo: {wrong}",
            where=str(path),
            why="NeMo reads it with transformers, which adds what is missing, and sizes the embeddings by the count",
            fix="load it with transformers' AutoTokenizer, save it with save_pretrained(FOLDER), and give that folder",
        )


def _unreadable(kind: str, path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"this is not a {kind}",
        where=str(path),
        why=(str(error).splitlines() or [type(error).__name__])[0],
        fix="give a SentencePiece tokenizer.model or a Hugging Face tokenizer.json,\n"
        "or tokenizer.model=null to train one",
    )


def _no_eod(name: str, path: Path, fix: str) -> UsageError:
    return UsageError(
        f"this tokenizer has no end-of-document token ({name})",
        where=str(path),
        why="documents would run into each other in the token datasets, and training reads across them",
        fix=f"{fix}\nor tokenizer.model=null to train one here",
    )


def _version(library: str) -> str:
    return f"{library} {importlib.metadata.version(library)}"
