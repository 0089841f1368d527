"""A small tokenizer with the options of data_prep, trained on the sample corpus."""

import functools
import json

from data_prep.layout import REPOSITORY_ROOT
from data_prep.tokenizer import train

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"


@functools.cache
def sample_texts() -> tuple[str, ...]:
    """Every document of the sample corpus."""
    return tuple(
        json.loads(line)["text"]
        for path in sorted(SAMPLE.glob("documents.*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    )


@functools.cache
def train_tokenizer(vocab_size: int = 1000) -> bytes:
    """A SentencePiece model; 1000 entries are padded to 1024 rows by NeMo."""
    return train(sample_texts()[::4], vocab_size)
