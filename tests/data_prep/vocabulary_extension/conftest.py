"""A base that hardly knows Hindi, and Hindi to learn from: both of the sample corpus."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from threadpoolctl import threadpool_limits

from data_prep.layout import REPOSITORY_ROOT
from data_prep.tokenizer import train
from data_prep.vocabulary_extension import learn, merge, words
from data_prep.vocabulary_extension.merge import Extension

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"


@dataclass(frozen=True)
class Extended:
    """An extension, and texts that had no part in it."""

    extension: Extension
    asked: int
    english: list[str]
    hindi: list[str]
    learnt_from: list[str]
    learnt: list[str]


def texts(name: str) -> list[str]:
    lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def count_words(hindi: list[str], bare) -> Counter[str]:
    return Counter(word for run in words.find_words(hindi, "hi-Deva", bare) for word in run)


def learn_from(base: bytes, hindi: list[str], count: int) -> list[str]:
    bare = merge.bare(base)
    return learn.learn(words.cut(count_words(hindi, bare), bare), merge.known_pieces(base), count)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices: a second thread only waits, for seconds where the cores are shared."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def extended() -> Extended:
    """The demo's kind of tokenizer, trained on English and one Hindi document, with 300 pieces more."""
    english, hindi = texts("documents.en.jsonl"), texts("documents.hi.jsonl")
    base = train([*english[:48], hindi[0][:300]], 900)
    learnt = learn_from(base, hindi[:60], 300)
    return Extended(
        extension=merge.extend(base, learnt),
        asked=300,
        english=english[48:],
        hindi=hindi[60:],
        learnt_from=hindi[:60],
        learnt=learnt,
    )
