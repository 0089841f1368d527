"""Token datasets of chosen sizes: a real index, a .bin that is a hole of the right length, and a receipt."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from megatron.core.datasets.blended_dataset import BlendedDataset
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import _IndexWriter
from megatron.core.datasets.utils import get_blend_from_list

from data_prep.files import sha256_file
from data_prep.layout import PREFIX_SUFFIX, Layout, append_suffix, receipt_path
from data_prep.receipts import Receipt


def make_tokenizer(layout: Layout) -> str:
    layout.tokenizer.parent.mkdir(parents=True)
    layout.tokenizer.write_bytes(b"a model")
    return sha256_file(layout.tokenizer)


def make_dataset(layout: Layout, name: str, split: str, lengths: Sequence[int], tokenizer: str) -> Path:
    """`name` is source.lang.kind; `lengths` are the tokens of its documents."""
    source, lang, kind = name.split(".")
    prefix = layout.tokens / split / f"{name}{PREFIX_SUFFIX}"
    prefix.parent.mkdir(parents=True, exist_ok=True)
    write_pair(prefix, lengths)
    outputs = [append_suffix(prefix, suffix) for suffix in (".bin", ".idx")]
    tokens = int(np.sum(lengths, dtype=np.int64))
    receipt = Receipt(
        stage="tokenize",
        config_hash="",
        code_version="",
        inputs={},
        outputs={path.name: {"bytes": path.stat().st_size, "sha256": ""} for path in outputs},
        counts={},
        documents=len(lengths),
        characters=0,
        tokens=tokens,
        by={},
        details={"tokenizer_sha256": tokenizer, "source": source, "lang": lang, "kind": kind},
        seconds=0.0,
        created="",
    )
    receipt_path(prefix).write_text(json.dumps(asdict(receipt)))
    return prefix


def write_pair(prefix: Path, lengths: Sequence[int]) -> None:
    """As megatron-core writes it, but for the tokens: the .bin is one hole, so a terabyte takes no room."""
    with append_suffix(prefix, ".bin").open("wb") as file:
        file.truncate(2 * int(np.sum(lengths, dtype=np.int64)))
    with _IndexWriter(str(append_suffix(prefix, ".idx")), np.uint16) as writer:
        writer.write(lengths, None, range(len(lengths) + 1))


def build_blend(blend: list[float | str], length: int, samples: int) -> BlendedDataset:
    """The training data NeMo would read: megatron-core's builder over real pairs."""
    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=length,
        blend_per_split=[get_blend_from_list(blend), None, None],
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        tokenizer=SimpleNamespace(unique_identifiers={}, eod=0, pad=1),
    )
    return BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()[0]
