"""Two random models of one tokenizer, and held-out documents as a data preparation leaves them."""

import itertools
from pathlib import Path

import pytest
import torch
from transformers import NemotronConfig, NemotronForCausalLM

from data_prep.documents import Document
from data_prep.files import shard_writer
from recipes import hf_tokenizer
from tests.recipes.tiny_tokenizer import sample_texts, train_tokenizer

POSITIONS = 64


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny tensors: a second thread only waits, for seconds where the cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, str]:
    """Folders by name; random weights."""
    return make_models(tmp_path_factory.mktemp("models"), POSITIONS)


@pytest.fixture(scope="session")
def long_models(tmp_path_factory) -> dict[str, str]:
    """The same, for whole prompts."""
    return make_models(tmp_path_factory.mktemp("long_models"), 512)


def make_models(root: Path, positions: int) -> dict[str, str]:
    """Two models that read so many tokens."""
    tokenizer = hf_tokenizer.build(train_tokenizer(), max_length=positions, where="")
    for seed, name in enumerate(("base", "cpt")):
        torch.manual_seed(seed)
        config = NemotronConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            bos_token_id=2,
            eos_token_id=3,
            initializer_range=0.2,
        )
        NemotronForCausalLM(config).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return {name: str(root / name) for name in ("base", "cpt")}


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """Six Hindi and six English documents, and one of another kind; texts of different lengths."""
    root = tmp_path_factory.mktemp("data") / "documents"
    english, hindi = sample_texts()[:6], sample_texts()[-6:]
    parts = {("en-Latn", "real"): english, ("hi-Deva", "real"): hindi, ("hi-Deva", "translated"): [hindi[0][:40]]}
    for (lang, kind), texts in parts.items():
        with shard_writer(root / f"sample.{lang}.{kind}" / "heldout" / "00000.jsonl.zst") as write:
            for number, text in zip(itertools.count(), texts, strict=False):
                write(
                    Document(
                        id=f"{lang}-{number}",
                        text=text[: 120 * (number + 1)],
                        lang=lang,
                        kind=kind,
                        source="sample",
                        license="CC0-1.0",
                        parent_id=None,
                        group=str(number),
                    ).to_json()
                )
    return root
