"""Small real inputs for the checks of training configurations: tokenizer, token datasets, checkpoint, examples."""

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from data_prep.blend.output import tokenizer_keys
from data_prep.files import sha256_file
from data_prep.indexed_dataset import dataset_writer, token_dtype
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt, describe_inputs, describe_outputs
from data_prep.tokenizer import train
from data_prep.vocabulary import load
from recipes.config import NEMO_CONFIGS

CHAT = {
    "system": "",
    "conversations": [{"from": "User", "value": "नमस्ते"}, {"from": "Assistant", "value": "Hello"}],
    "mask": "User",
    "type": "VALUE_TO_TEXT",
}
PAIR = {"prompt": "<extra_id_0>System\n\n", "chosen_response": "good", "rejected_response": "bad"}


def make_tokenizer(path: Path, vocab_size: int = 320) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(train(["नमस्ते दुनिया, a few words to learn from\n" * 20], vocab_size))
    return path


def make_dataset(prefix: Path, tokenizer: Path, tokens: int, *, receipt: bool = True) -> Path:
    vocabulary = load(tokenizer).size
    with dataset_writer(prefix, token_dtype(vocabulary)) as add:
        add(np.zeros(tokens, dtype=np.int32))
    if receipt:
        Receipt(
            stage="tokenize",
            config_hash="",
            code_version="",
            inputs=describe_inputs([tokenizer], prefix.parent),
            outputs=describe_outputs([append_suffix(prefix, suffix) for suffix in (".bin", ".idx")], prefix.parent),
            counts={},
            documents=1,
            characters=1,
            tokens=tokens,
            by={},
            details={"tokenizer_sha256": sha256_file(tokenizer), "vocab_size": vocabulary},
            seconds=0.0,
            created="",
        ).write(receipt_path(prefix))
    return prefix


def make_nemo(path: Path, model: DictConfig, tokenizer: Path | None = None) -> Path:
    """A .nemo with a model config and, if given, a tokenizer, named as NeMo names them."""
    files = {"./model_config.yaml": OmegaConf.to_yaml(model, resolve=True).encode()}
    if tokenizer:
        files[f"./0a1b2c_tokenizer{tokenizer.suffix}"] = tokenizer.read_bytes()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def make_jsonl(path: Path, row: dict, count: int) -> Path:
    path.write_text((json.dumps(row, ensure_ascii=False) + "\n") * count, encoding="utf-8")
    return path


def model_part(name: str, **changes: object) -> DictConfig:
    """A shipped model section, as a checkpoint's model_config.yaml would hold it."""
    part = OmegaConf.load(NEMO_CONFIGS / "model" / f"{name}.yaml")
    return OmegaConf.merge(part, {"tokenizer": {"model": "nemo:0a1b2c_tokenizer", "type": None}, **changes})


@dataclass(frozen=True)
class Inputs:
    """Files for one model, and the overrides that name them."""

    tokenizer: Path
    prefix: Path
    nemo: Path
    chat: Path
    pairs: Path
    heldout: dict[str, Path]
    """For validation: chats and pairs by their schema."""

    def overrides(self, schema: str, *, continued: bool = True) -> list[str]:
        blend, keys = f"[1.0,{self.prefix}]", tokenizer_keys(self.tokenizer)
        by_schema = {
            "pretrain": [
                *(f"model.tokenizer.{name}={json.dumps(value)}" for name, value in keys.items()),
                f"model.data.data_prefix={{train:{blend},validation:{blend},test:{blend}}}",
                *([f"model.restore_from_path={self.nemo}"] if continued else []),
            ],
            "sft": [
                f"model.restore_from_path={self.nemo}",
                f"model.data.train_ds.file_path={self.chat}",
                f"model.data.validation_ds.file_path={self.heldout['sft']}",
            ],
            "dpo": [
                f"pretrained_checkpoint.restore_from_path={self.nemo}",
                f"model.data.data_prefix.train=[{self.pairs}]",
                f"model.data.data_prefix.validation=[{self.heldout['dpo']}]",
            ],
        }
        return [*by_schema[schema], f"exp_manager.explicit_log_dir={self.nemo.parent / 'run'}"]


def make_inputs(
    folder: Path, model: str, *, tensor: int, tokens: int, examples: int, tokenizer: Path | None = None
) -> Inputs:
    """Files for a run; `tensor` is the tensor parallel size the checkpoint was saved with."""
    tokenizer = tokenizer or make_tokenizer(folder / "tokenizer.model")
    inside = {**tokenizer_keys(tokenizer), "model": f"nemo:0a1b2c_tokenizer{tokenizer.suffix}"}
    part = model_part(model, tensor_model_parallel_size=tensor, tokenizer=inside)
    return Inputs(
        tokenizer=tokenizer,
        prefix=make_dataset(folder / "web.hi-Deva.real_text_document", tokenizer, tokens),
        nemo=make_nemo(folder / "base.nemo", part, tokenizer),
        chat=make_jsonl(folder / "sft.jsonl", CHAT, examples),
        pairs=make_jsonl(folder / "dpo.jsonl", PAIR, examples),
        heldout={
            name: make_jsonl(folder / f"{name}.validation.jsonl", row, min(examples, 1024))
            for name, row in (("sft", CHAT), ("dpo", PAIR))
        },
    )
