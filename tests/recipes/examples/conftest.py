"""A tokenizer of the sample conversations, and upstream's own tokenizer class on it."""

import json
from pathlib import Path

import pytest

from data_prep.tokenizer import train
from data_prep.vocabulary import Vocabulary, load

SAMPLES = Path(__file__).resolve().parents[3] / "data_prep" / "sample_corpus"


def rows(name: str) -> list[dict]:
    """The rows of a sample file."""
    return [json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory) -> Vocabulary:
    texts = [message["content"] for row in rows("chat") for message in row["messages"]]
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train(texts, 1200))
    return load(path)


@pytest.fixture(scope="session")
def nemo_tokenizer(vocabulary):
    """The same file as NeMo loads it from a checkpoint."""
    from nemo.collections.common.tokenizers.sentencepiece_tokenizer import SentencePieceTokenizer

    return SentencePieceTokenizer(str(vocabulary.path))
