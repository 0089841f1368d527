"""Small corpora, and one real preparation of them shared by the tests that only read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep import pipeline
from data_prep.layout import Layout

ENGLISH = ["The river rises in the hills.", "Rice needs water and sun.", "She wrote 3 letters.\n\n- one\n- two"]
HINDI = ["नदी पहाड़ों से निकलती है।", "धान को पानी और धूप चाहिए।", "उसने 3 चिट्ठियाँ लिखीं।\n\n- एक\n- दो"]


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


@pytest.fixture
def make_jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Writes records to a JSONL file below tmp_path."""
    return lambda name, records: write_jsonl(tmp_path / name, records)


def make_corpus(folder: Path, count: int = 60) -> Path:
    """`count` parallel documents, chat examples and preference pairs, and the YAML that prepares them."""
    for lang, texts in (("en", ENGLISH), ("hi", HINDI)):
        write_jsonl(
            folder / f"documents.{lang}.jsonl",
            [
                {"id": f"{lang}/{n}", "text": f"{texts[n % 3]} {n}. {texts[(n + 1) % 3]}", "pair": f"pair-{n}"}
                for n in range(count)
            ],
        )
    question = {"role": "user", "content": "Why is the sky blue?"}
    answer = {"role": "assistant", "content": "Air scatters blue light."}
    chats = [{"id": f"chat-{n}", "lang": "en-Latn", "messages": [question, answer]} for n in range(count)]
    pairs = [
        {"id": f"pref-{n}", "lang": "en-Latn", "messages": [question], "chosen": "Air does it.", "rejected": "No."}
        for n in range(count)
    ]
    sources = [
        {
            "path": str(folder / f"documents.{name}.jsonl"),
            "lang": lang,
            "kind": "real",
            "source": "small",
            "license": "CC0-1.0",
            "group_field": "pair",
        }
        for name, lang in (("en", "en-Latn"), ("hi", "hi-Deva"))
    ]
    settings = {
        "output_dir": str(folder / "data"),
        "sources": sources,
        "clean": {"enabled": False},  # its documents are two short sentences each
        "dedup": {"enabled": False},  # and much alike
        "tokenizer": {"vocab_size": 600},
        "instruct": {
            "chat": str(write_jsonl(folder / "chat.jsonl", chats)),
            "preferences": str(write_jsonl(folder / "preferences.jsonl", pairs)),
            "max_length": 256,
        },
    }
    config = folder / "prep.yaml"
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The YAML of a small corpus of its own; `output_dir` is tmp_path/data."""
    return make_corpus(tmp_path)


@pytest.fixture(scope="session")
def small_prep(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A finished preparation of the small corpus. Read only."""
    folder = tmp_path_factory.mktemp("prepared")
    assert pipeline.main([make_corpus(folder)], [], dry_run=False) == 0
    return Layout(folder / "data")
