"""Token datasets to plant faults in: written by our writer with a receipt, or by megatron-core's builder without."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

from data_prep.indexed_dataset import dataset_writer
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt, describe_outputs
from data_prep.verify.check import ModelTokenizer, Report, verify
from data_prep.verify.tokens import KnownIds

EOD = 3
KNOWN = KnownIds(size=1000, eod_id=EOD)
TOKENIZER = ModelTokenizer(name="there/tokenizer.model", sha256="5e" * 32, known=KNOWN)
DOCUMENTS = [[5, 6, 7, EOD], [EOD], [8, EOD], [9, 10, 11, 12, EOD], [999, EOD]]


def ours(prefix: Path, documents: Sequence[Sequence[int]] = DOCUMENTS, dtype: str = "uint16") -> Path:
    """Our writer's pair and a receipt as stage tokenize writes it."""
    with dataset_writer(prefix, dtype) as add:
        for document in documents:
            add(document)
    pair = [append_suffix(prefix, suffix) for suffix in (".bin", ".idx")]
    Receipt(
        stage="tokenize",
        config_hash="",
        code_version="",
        inputs={},
        outputs=describe_outputs(pair, prefix.parent),
        counts={},
        documents=len(documents),
        characters=1,
        tokens=sum(map(len, documents)),
        by={},
        details={
            "tokenizer_sha256": TOKENIZER.sha256,
            "vocab_size": KNOWN.size,
            "eod_id": EOD,
            "dtype": dtype,
        },
        seconds=0.0,
        created="",
    ).write(receipt_path(prefix))
    return prefix


def megatrons(
    prefix: Path, documents: Sequence[Sequence[Sequence[int]]], dtype: type = np.int32, *, multimodal: bool = False
) -> Path:
    """megatron-core's own pair: each document is a list of sequences."""
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=dtype, multimodal=multimodal)
    for document in documents:
        for sequence in document:
            builder.add_item(torch.tensor(sequence), mode=1)
        builder.end_document()
    builder.finalize(f"{prefix}.idx")
    return prefix


def faults(report: Report) -> dict[str, int]:
    """How often each fault was found."""
    return {fault.code: fault.count for fault in report.faults}


def places(prefix: Path, code: str, tokenizer: ModelTokenizer | None = TOKENIZER) -> str:
    """Where a fault is, as verify says it; fails if it is not found."""
    (fault,) = (fault for fault in verify(prefix, tokenizer).faults if fault.code == code)
    return "\n".join(fault.places)


def change(path: Path, offset: int, replacement: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[offset : offset + len(replacement)] = replacement
    path.write_bytes(content)
