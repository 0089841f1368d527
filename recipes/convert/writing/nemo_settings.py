"""The settings and the tokenizer of a .nemo that is made from a Hugging Face folder."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_prep import vocabulary
from data_prep.errors import UsageError
from data_prep.vocabulary import JSON_NAME, SENTENCEPIECE_NAME, Vocabulary
from recipes import config as configs
from recipes.model_shape import padded_vocab_size

TARGET = "nemo.collections.nlp.models.language_modeling.megatron_gpt_model.MegatronGPTModel"
NEMO_VERSION = "2.1.0"
DEFAULT_DIVISOR = 128
TOKENIZER_FOLDER = "tokenizer"
"""Where the archive keeps the files of a Hugging Face tokenizer; NeMo itself reads them from outside."""

PRECISIONS = {"float32": "32", "bfloat16": "bf16", "float16": "16"}
_OPEN = (
    "trainer.max_steps",
    "exp_manager.explicit_log_dir",
    "model.data.data_prefix",
    "model.optim.lr",
)
"""What a run decides, not a model."""


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """What a .nemo says about its tokenizer, and the files of it inside.

    Attributes:
        loaded: The tokenizer.
        section: `model.tokenizer`.
        files: By name in the archive.
    """

    loaded: Vocabulary
    section: Mapping[str, Any]
    files: Mapping[str, bytes]


def read_tokenizer(folder: Path, given: Path | None) -> Tokenizer:
    """The tokenizer for a model: the one given, else the folder's SentencePiece model, else its tokenizer.json.

    A SentencePiece model lies inside the archive. NeMo 2.1 reads a Hugging Face tokenizer from a folder outside,
    which the settings name; copies of its files are kept inside.

    Raises:
        UsageError: There is none, or it is damaged or has no end-of-document token.
    """
    loaded = vocabulary.load(given or _own(folder))
    name = f"{loaded.sha256[:32]}_{loaded.path.name}"
    files = {name: loaded.path.read_bytes()}
    section = {
        "library": "sentencepiece",
        "type": None,
        "model": f"nemo:{name}",
        "vocab_file": None,
        "merge_file": None,
        "delimiter": None,
        "sentencepiece_legacy": False,
        "use_fast": False,
    }
    if not loaded.is_sentencepiece:
        beside = {f"{TOKENIZER_FOLDER}/{path.name}": path.read_bytes() for path in vocabulary.files(loaded.path)}
        files |= beside
        section |= {"library": "huggingface", "type": str(loaded.path.parent.absolute()), "use_fast": True}
    return Tokenizer(loaded=loaded, section=section, files=files)


def _own(folder: Path) -> Path:
    """The folder's tokenizer; a tokenizer.model beside a tokenizer.json need not be SentencePiece's (Llama 3's)."""
    model, file = folder / SENTENCEPIECE_NAME, folder / JSON_NAME
    if model.is_file() and not (file.is_file() and not _is_sentencepiece(model)):
        return model
    if file.is_file():
        return file
    raise UsageError(
        "this folder holds no tokenizer that NeMo can read",
        where=str(folder),
        why="a .nemo goes with its tokenizer: NeMo sizes the embedding table by it",
        fix=f"put {SENTENCEPIECE_NAME} (SentencePiece) or {JSON_NAME} there, or tokenizer=PATH",
    )


def _is_sentencepiece(path: Path) -> bool:
    from sentencepiece import SentencePieceProcessor

    try:
        return bool(SentencePieceProcessor().LoadFromSerializedProto(path.read_bytes()))
    except RuntimeError:
        return False


def table_rows(entries: int, rows: int, divisor: int, where: str) -> int:
    """Rows of the embedding table that NeMo builds for a tokenizer at tensor parallel size 1.

    Args:
        entries: Of the tokenizer.
        rows: Of the Hugging Face table; those above `entries` are kept.
        divisor: `make_vocab_size_divisible_by`.
        where: Names the model in errors.

    Raises:
        UsageError: The table has no row for some entry, or more rows than fit.
    """
    if entries > rows:
        raise UsageError(
            f"the tokenizer has {entries} entries, the embedding table {rows} rows",
            where=where,
            why="tokens without a row would stop training",
            fix="tokenizer=PATH of the tokenizer the model was trained with",
        )
    padded = padded_vocab_size(entries, divisor, 1)
    if padded >= rows:
        return padded
    fitting = padded_vocab_size(rows, DEFAULT_DIVISOR, 1)
    raise UsageError(
        f"the embedding table has {rows} rows; NeMo would give a tokenizer of {entries} entries {padded}",
        where=where,
        why="the rows above would be lost",
        fix=f"make_vocab_size_divisible_by={fitting}",
    )


def model_config(architecture: Mapping[str, Any], tokenizer: Tokenizer, divisor: int, dtype: str) -> str:
    """model_config.yaml: every key NeMo 2.1's own YAML has, with its values where the architecture says nothing.

    What depends on the machine (Transformer Engine, fused kernels) is left to the config of the run.

    Args:
        architecture: The architecture's part.
        tokenizer: Of the model.
        divisor: `make_vocab_size_divisible_by`.
        dtype: Of the stored weights.
    """
    model = {
        **architecture,
        "make_vocab_size_divisible_by": divisor,
        "micro_batch_size": 1,
        "global_batch_size": 1,
        "tokenizer": dict(tokenizer.section),
        "optim": {"name": "fused_adam"},  # NeMo asks for its name when it builds a model
    }
    with tempfile.TemporaryDirectory(prefix="langadapt-") as folder:
        path = Path(folder) / "model.yaml"
        path.write_text(yaml.safe_dump({"model": model}), encoding="utf-8")
        base = configs.NEMO_CONFIGS / "cpt" / "_common.yaml"
        section = configs.load([base, path], [], "pretrain", may_be_open=_OPEN).model
    stamped = {"precision": PRECISIONS[dtype], "target": TARGET, "nemo_version": NEMO_VERSION}
    return configs.as_yaml(section) + yaml.safe_dump(stamped)
