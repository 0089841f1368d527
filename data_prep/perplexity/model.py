"""The n-gram model of the trusted real text: by lmplz where it is installed, else by our own estimator."""

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from data_prep.files import atomic_write, fsync_folder
from data_prep.perplexity import arpa, kneser_ney, lmplz
from data_prep.perplexity.settings import PerplexitySettings


def train(sentences: Iterable[str], model: Path, rules: PerplexitySettings) -> dict[str, Any]:
    """Write the model and return the facts for its receipt.

    Both estimators give the same n-grams and numbers; only lmplz comes with the tool that makes the file binary.

    Args:
        sentences: Tokens separated by spaces.
        model: Where to write; kenlm sees from the content whether it is ARPA text or binary.
        rules: Order, pruning, memory.

    Raises:
        DataError: There is no sentence, or too many for our own estimator.
    """
    counted = _Counted(sentences)
    stream = _not_empty(counted)
    tool = lmplz.find("lmplz")
    facts = _with_lmplz(tool, stream, model, rules) if tool else _with_numpy(stream, model, rules)
    with model.open("rb") as file:
        is_text = file.read(6) == b"\\data\\"
    return {
        **asdict(facts),
        "format": "arpa" if is_text else "binary",
        "sentences": counted.sentences,
        "tokens": counted.tokens,
    }


class _Counted:
    """Counts what it passes on."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self._source = sentences
        self.sentences, self.tokens = 0, 0

    def __iter__(self) -> Iterator[str]:
        for sentence in self._source:
            self.sentences += 1
            self.tokens += sentence.count(" ") + 1
            yield sentence


def _not_empty(sentences: Iterable[str]) -> Iterator[str]:
    stream = iter(sentences)
    for first in stream:
        return itertools.chain([first], stream)
    raise DataError(
        "there is no trusted real text to learn from",
        where="perplexity.lang, perplexity.trusted, perplexity.train_share",
        why="translations are judged by a model of real text of the same language",
        fix="add a source of kind real in this language, or perplexity.enabled=false",
    )


def _with_numpy(sentences: Iterable[str], model: Path, rules: PerplexitySettings) -> lmplz.Facts:
    text = kneser_ney.number(sentences)
    estimates = kneser_ney.estimate(text, rules.order, rules.prune)
    with atomic_write(model) as file:
        arpa.write(file, text, estimates)
    return lmplz.Facts(
        estimator="langadapt",
        ngrams=[len(each.last) for each in estimates],
        ngrams_before_pruning=[each.total for each in estimates],
        discounts=[each.discounts for each in estimates],
    )


def _with_lmplz(tool: Path, sentences: Iterable[str], model: Path, rules: PerplexitySettings) -> lmplz.Facts:
    folder = model.with_name(".lmplz")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text, binary = folder / "model.arpa", folder / "model.binary"
    try:
        facts = lmplz.estimate(tool, sentences, text, order=rules.order, prune=rules.prune, memory=rules.memory)
        if build_binary := lmplz.find("build_binary"):
            lmplz.to_binary(build_binary, text, binary, rules.memory)
        _move(binary if build_binary else text, model)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return facts


def _move(finished: Path, target: Path) -> None:
    """Give a file another program wrote its name once it is on disk."""
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(target)
    fsync_folder(target.parent)
