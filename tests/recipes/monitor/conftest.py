"""A held-out dataset of real text and its tokenizer."""

from pathlib import Path

import numpy as np
import pytest

from data_prep import vocabulary
from data_prep.indexed_dataset import dataset_writer
from data_prep.layout import PREFIX_SUFFIX
from tests.training_inputs import make_tokenizer

TEXTS = ["नमस्ते दुनिया, a few words", "to learn from", "दुनिया"]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory) -> vocabulary.Vocabulary:
    return vocabulary.load(make_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"))


@pytest.fixture
def write(loaded, tmp_path):
    """Writes documents as stage tokenize does; returns their prefix and their tokens in one stream."""

    def dataset(texts: list[str], name: str = "web.hi-Deva.real") -> tuple[Path, list[int]]:
        prefix = tmp_path / f"{name}{PREFIX_SUFFIX}"
        documents = [[*ids, loaded.eod_id] for ids in loaded.encode(texts)]
        with dataset_writer(prefix, loaded.dtype) as add:
            for ids in documents:
                add(np.array(ids, dtype=np.int32))
        return prefix, [number for ids in documents for number in ids]

    return dataset
