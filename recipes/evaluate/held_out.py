"""Held-out documents of a data preparation: found, and scored in bits per byte."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.documents import Document
from data_prep.errors import UsageError
from data_prep.files import read_shards
from recipes.evaluate.bits_per_byte import Scored, score

HELDOUT = "*/heldout/*.jsonl.zst"


def find_shards(documents: Path) -> list[Path]:
    """The held-out shards under a `documents` folder.

    Raises:
        UsageError: There are none.
    """
    shards = sorted(documents.glob(HELDOUT))
    if not shards:
        inside = (documents / "documents").is_dir()
        raise UsageError(
            "there are no held-out documents" if documents.is_dir() else "this folder does not exist",
            where=f"documents={documents}",
            why=f"looked for {HELDOUT}",
            fix=f"documents={documents / 'documents'}"
            if inside
            else "langadapt prep nemo_configs/data/sample.yaml output_dir=DIR, then documents=DIR/documents",
        )
    return shards


def read_texts(shards: Sequence[Path]) -> list[Document]:
    """Documents that hold any text."""
    return [document for document in read_shards(shards) if document.text]


def bits_of(
    model: Any, tokenizer: Any, texts: Sequence[Document], *, size: int, tokens_per_batch: int, label: str
) -> tuple[list[float], int]:
    """Bits of each document, and tokens of all."""
    sequences = [token_ids(tokenizer, document.text) for document in texts]
    bits = score(model, sequences, size=size, tokens_per_batch=tokens_per_batch, label=label)
    return bits, sum(len(ids) - 1 for ids in sequences)


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """A document as in training: after the end of another one; its own end is not scored."""
    return [tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def scored(texts: Sequence[Document], bits: Mapping[str, Sequence[float]]) -> list[Scored]:
    """Each document with the bits of every model."""
    return [
        Scored(
            lang=document.lang,
            kind=document.kind,
            size=len(document.text.encode()),
            bits={name: values[index] for name, values in bits.items()},
        )
        for index, document in enumerate(texts)
    ]
