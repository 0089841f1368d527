"""What a training run reads, looked at before it starts: tokenizer, token datasets, chat and preference examples."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from data_prep.blend.output import tokenizer_keys
from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from data_prep.indexed_dataset import DatasetSize, read_size, token_dtype
from data_prep.jsonl import Check, Fault
from data_prep.jsonl import read as read_jsonl
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt
from data_prep.vocabulary import JSON_NAME
from data_prep.vocabulary import load as load_tokenizer
from recipes import nemo_file

Blend = list[tuple[float, str]]

PREFIX_KEY = "model.data.data_prefix"
TOKENIZER_KEY = "model.tokenizer.model"


def check_tokenizer(cfg: DictConfig) -> None:
    """The tokenizer exists, ends documents, is the one NeMo reads, and the checkpoint's where there is one.

    Raises:
        UsageError: It cannot serve, or the checkpoint's weights belong to another vocabulary.
    """
    path = Path(cfg.model.tokenizer.model)
    try:
        size = load_tokenizer(path).size
    except UsageError as error:
        fix = f"{TOKENIZER_KEY}=TOKENIZER.model, the one the tokens were made with"
        raise UsageError(error.what, where=f"{TOKENIZER_KEY}: {path}", why=error.why, fix=fix) from error
    _check_library(cfg.model, path)
    rows = cfg.model.get("override_vocab_size")
    if rows is not None and rows < size:
        raise UsageError(
            f"the tokenizer has {size} entries, model.override_vocab_size makes embeddings for {rows}",
            where="model.override_vocab_size",
            why="ids from there on have no row: training stops at the first of them",
            fix="~model.override_vocab_size",
        )
    source = cfg.model.get("restore_from_path")
    name = f"tokenizer{path.suffix}"
    inside = nemo_file.read_tokenizer(Path(source), "model.restore_from_path", name) if source else None
    if inside and inside != path.read_bytes():
        raise UsageError(
            f"the tokenizer {path} is not the one of the checkpoint {source}",
            where=TOKENIZER_KEY,
            why="the checkpoint's embeddings would be read with other ids: training starts from noise",
            fix=f"take the tokenizer out of the checkpoint: tar -xf {source} --wildcards '*{name}'\n"
            "and tokenise the text with it: langadapt prep ... tokenizer.model=PATH",
        )


def _check_library(model: DictConfig, path: Path) -> None:
    """NeMo reads the file that was looked at: a tokenizer.model by its name, a tokenizer.json by its folder in `type`.

    Raises:
        UsageError: It would read another one.
    """
    given, needed = model.tokenizer, tokenizer_keys(path)
    folder = Path(str(given.get("type")))
    is_other = folder.is_dir() and path.suffix == ".json" and not _is_same(folder / JSON_NAME, path)
    if given.get("library") == needed["library"] and not is_other:
        return
    raise UsageError(
        f"NeMo would not read {path}: its library is {given.get('library')}, its type {given.get('type')}",
        where="model.tokenizer.library, model.tokenizer.type",
        why="the checks and the tokens are of one tokenizer, the model would be of another",
        fix=" ".join(f"model.tokenizer.{name}={json.dumps(value)}" for name, value in needed.items()),
    )


def _is_same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def check_token_datasets(cfg: DictConfig) -> None:
    """Every data prefix is a whole dataset of this tokenizer, and training has enough tokens.

    Raises:
        UsageError: A prefix does not exist, or the blend is malformed.
        DataError: A dataset is damaged, was made with another tokenizer, or is shorter than one sequence.
    """
    splits = _splits(cfg)
    sizes = {
        split: [dataset(prefix, key, Path(cfg.model.tokenizer.model)) for _, prefix in parts]
        for split, (key, parts) in splits.items()
    }
    key, parts = splits["train"]
    share = training_share(cfg)
    tokens = [int(size.tokens * share) for size in sizes["train"]]
    needed = cfg.model.data.seq_length + 1
    short = [(prefix, count) for (_, prefix), count in zip(parts, tokens, strict=True) if count < needed]
    if short:
        raise DataError(
            f"{short[0][0]} has {short[0][1]} tokens to train on, one sequence of {needed - 1} needs {needed}",
            where=key,
            why="Megatron would repeat the same few words to fill every sequence",
            fix=f"model.encoder_seq_length={max(1, short[0][1] - 1)} or less, or more text, or leave the dataset out",
        )
    batch = cfg.model.global_batch_size * (needed - 1) + 1
    if sum(tokens) < batch:
        raise DataError(
            f"the blend has {sum(tokens)} tokens to train on, one global batch of {cfg.model.global_batch_size} "
            f"sequences of {needed - 1} needs {batch}",
            where=key,
            fix=f"model.global_batch_size={max(1, sum(tokens) // needed)} or less, or more text",
        )


def training_prefixes(cfg: DictConfig) -> list[str]:
    """Prefixes of the datasets trained on."""
    return [prefix for _, prefix in _splits(cfg)["train"][1]]


def count_chat_examples(path: str, key: str) -> int:
    """Conversations in a file of NeMo-Aligner's chat format, every line read."""
    return _count(Path(path), key, _chat_fault)


def count_prompt_examples(path: str, key: str, label_key: str) -> int:
    """Examples in a file of NeMo-Aligner's prompt-response format, every line read."""

    def fault(row: dict[str, Any]) -> Fault | None:
        return None if label_key in row else Fault("no_label", f'no key "{label_key}" (label_key)')

    return _count(Path(path), key, fault)


def count_preferences(data_prefix: Any, key: str) -> int:
    """Preference pairs in the files of one split, every line read."""
    return sum(_count(Path(path), key, _preference_fault) for _, path in parse_blend(data_prefix, key))


def parse_blend(value: Any, key: str) -> Blend:
    """Weights and paths of a list such as `[0.7, a, 0.3, b]` or `[a]`, as megatron-core reads it.

    Args:
        value: The configured value.
        key: Its key, for the errors.

    Raises:
        UsageError: It is no such list, or a weight is not a positive number.
    """
    items = list(value) if isinstance(value, list | ListConfig) else []
    weights, paths = items[::2], items[1::2]
    if items and not any(isinstance(item, int | float) or _is_number(item) for item in items):
        return [(1.0, str(path)) for path in items]
    if not items or len(items) % 2 or not all(map(_is_number, weights)) or any(map(_is_number, paths)):
        raise UsageError(
            f"{key} is {value}", where=key, fix=f"{key}=[0.7,first/prefix,0.3,second/prefix]: weights and paths in turn"
        )
    for weight, path in zip(weights, paths, strict=True):
        if not (math.isfinite(float(weight)) and float(weight) > 0):
            raise UsageError(
                f"the weight of {path} is {weight}", where=key, fix="give a positive weight, or leave the dataset out"
            )
    return [(float(weight), str(path)) for weight, path in zip(weights, paths, strict=True)]


def _is_number(item: Any) -> bool:
    try:
        float(item)
    except (TypeError, ValueError):
        return False
    return True


def _splits(cfg: DictConfig) -> dict[str, tuple[str, Blend]]:
    """Key and blend of each split; `train` alone where NeMo cuts the splits out of the same datasets."""
    value = cfg.model.data.data_prefix
    if not OmegaConf.is_dict(value):
        return {"train": (PREFIX_KEY, parse_blend(value, PREFIX_KEY))}
    missing = [split for split in ("train", "validation", "test") if value.get(split) is None]
    if missing:
        raise UsageError(
            f"{PREFIX_KEY} names no {' and no '.join(missing)} data",
            where=PREFIX_KEY,
            why="NeMo reads all three",
            fix="\n".join(f"{PREFIX_KEY}.{split}=[held/out/prefix]" for split in missing),
        )
    keys = {split: f"{PREFIX_KEY}.{split}" for split in value}
    return {split: (key, parse_blend(value[split], key)) for split, key in keys.items()}


def training_blend(cfg: DictConfig) -> tuple[str, Blend]:
    """What a run trains on, with its key."""
    return _splits(cfg)["train"]


def training_share(cfg: DictConfig) -> float:
    """Share of every dataset that NeMo trains on: 0.9 of "900,50,50", all where the splits are named."""
    splits_string = cfg.model.data.splits_string
    if OmegaConf.is_dict(cfg.model.data.data_prefix):
        return 1.0
    parts = [part.strip() for part in str(splits_string).split(",")]
    if not all(map(_is_number, parts)) or len(parts) > 3 or not sum(map(float, parts)) > 0:
        raise UsageError(
            f"model.data.splits_string is {splits_string}",
            where="model.data.splits_string",
            fix="model.data.splits_string='900,50,50': parts for training, validation and test",
        )
    return float(parts[0]) / sum(map(float, parts))


def dataset(prefix: str, key: str, tokenizer: Path) -> DatasetSize:
    """Sizes of a dataset that is whole and made with `tokenizer`.

    Raises:
        UsageError: It does not exist.
        DataError: It is damaged, or was made with another tokenizer.
    """
    path = Path(prefix)
    missing = [file.name for suffix in (".bin", ".idx") if not (file := append_suffix(path, suffix)).is_file()]
    if missing:
        raise UsageError(
            f"no token dataset {prefix}: {' and '.join(missing)} missing",
            where=key,
            fix="make it with `langadapt prep` and plan the blend anew with `langadapt blend`;\n"
            "a prefix is the path without .bin or .idx",
        )
    size = read_size(path)
    receipt = receipt_path(path)
    if receipt.is_file():
        _check_receipt(Receipt.load(receipt), path, tokenizer)
    _check_dtype(size, path, tokenizer)
    return size


def _check_receipt(receipt: Receipt, prefix: Path, tokenizer: Path) -> None:
    """The files are those the receipt describes, and the ids are those of this tokenizer."""
    broken = receipt.broken_output(prefix.parent)
    if broken:
        raise DataError(
            f"the dataset is not what its receipt describes: {broken}",
            where=str(receipt_path(prefix)),
            why="it was changed or only half copied",
            fix="run `langadapt prep` again: it makes what is missing or damaged",
        )
    made_with = receipt.details.get("tokenizer_sha256"), receipt.details.get("vocab_size")
    here = sha256_file(tokenizer), load_tokenizer(tokenizer).size  # added tokens lie in files beside a tokenizer.json
    if any(there is not None and there != ours for there, ours in zip(made_with, here, strict=True)):
        raise DataError(
            f"{prefix} was made with another tokenizer (vocabulary {made_with[1]}, here {here[1]})",
            where=str(receipt_path(prefix)),
            why=f"its ids mean other words to {tokenizer}",
            fix=f"{TOKENIZER_KEY}=PATH of the tokenizer it was made with, or run `langadapt prep` again",
        )


def _check_dtype(size: DatasetSize, prefix: Path, tokenizer: Path) -> None:
    """The ids are as wide as this vocabulary's; without a receipt only that tells of another tokenizer."""
    vocabulary = load_tokenizer(tokenizer).size
    if size.dtype != token_dtype(vocabulary):
        raise DataError(
            f"{prefix} holds {size.dtype} ids; a vocabulary of {vocabulary} is stored as {token_dtype(vocabulary)}",
            where=str(append_suffix(prefix, ".idx")),
            why="it was made with another tokenizer",
            fix=f"{TOKENIZER_KEY}=PATH of the tokenizer it was made with, or tokenise the text again",
        )


def _count(path: Path, key: str, check: Check) -> int:
    if not path.is_file():
        raise UsageError(
            f"no file {path}", where=key, fix=f"{key}=PATH of a .jsonl file; `langadapt prep` writes them to instruct/"
        )
    return sum(1 for _ in read_jsonl(path, check, "error"))


def _chat_fault(row: dict[str, Any]) -> Fault | None:
    """What NeMo's GPTSFTChatDataset reads: system, and at least two turns with speaker and text."""
    turns = row.get("conversations")
    if not isinstance(row.get("system"), str) or not isinstance(turns, list):
        return Fault("no_chat", 'a conversation needs "system" (may be "") and "conversations"')
    fields = itertools.product(turns, ("from", "value"))
    if not all(isinstance(turn, dict) and isinstance(turn.get(name), str) for turn, name in fields):
        return Fault("bad_turn", 'every turn needs "from" and "value"')
    masked, speakers = row.get("mask", "User"), {turn["from"] for turn in turns}
    if masked not in speakers or len(speakers) < 2:
        return Fault("no_answer", f'turns of "{masked}" (mask) and of someone who answers are needed')
    return None


def _preference_fault(row: dict[str, Any]) -> Fault | None:
    """What NeMo-Aligner's DPOModelDataset reads."""
    missing = [name for name in ("prompt", "chosen_response", "rejected_response") if not row.get(name)]
    if missing:
        return Fault("no_pair", f"no {' and no '.join(missing)}")
    if row["chosen_response"] == row["rejected_response"]:
        return Fault("no_preference", "chosen and rejected response are the same")
    return None
