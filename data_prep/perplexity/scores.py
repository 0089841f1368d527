"""The perplexity of documents, and the side files that hold it.

Per token and document: PPL = 10 ** (-L / N), where L is the sum of log10 P(tokens of the line, </s> | <s>) over the
non-empty lines of the text and N the number of their tokens, each line's </s> included. A document without a token has
no perplexity.
"""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import DataError
from data_prep.files import open_binary, sha256_file
from data_prep.perplexity import tokenizers
from data_prep.perplexity.settings import TokenizerKind

if TYPE_CHECKING:
    import kenlm

DIGITS = 6
"""Significant digits of a perplexity: what a float32 gives back exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What the model thinks of one document."""

    id: str
    tokens: int
    """N of the formula."""
    log10: float
    """L of the formula."""
    perplexity: float | None

    def to_json(self) -> str:
        """One line of a side file."""
        value = "null" if self.perplexity is None else f"{self.perplexity:.{DIGITS}g}"
        name = json.dumps(self.id, ensure_ascii=False)
        return f'{{"id":{name},"tokens":{self.tokens},"log10":{self.log10:.3f},"perplexity":{value}}}'


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A tokenizer and an n-gram model, by their files."""

    kind: TokenizerKind
    pieces: Path | None
    """The SentencePiece model or WordPiece vocabulary; None for words."""
    model: Path

    def load(self) -> Callable[[str, str], Score]:
        """A function that gives the score of an (id, text)."""
        tokenize = tokenizers.load(self.kind, self.pieces)
        log10_of = load_model(self.model).score

        def score(name: str, text: str) -> Score:
            sentences = tokenize(text)
            total = sum(map(log10_of, sentences))
            tokens = sum([sentence.count(" ") + 2 for sentence in sentences])
            return Score(id=name, tokens=tokens, log10=total, perplexity=perplexity(total, tokens))

        return score


def perplexity(log10: float, tokens: int) -> float | None:
    """Per token, rounded to what a side file holds; 10 ** 30 at most, which a float32 holds too."""
    return float(f"{10.0 ** min(-log10 / tokens, 30.0):.{DIGITS}g}") if tokens else None


def load_model(path: Path) -> "kenlm.Model":
    """An n-gram model; the last one is kept as long as its file does not change."""
    return _load_model(path, sha256_file(path))


@functools.lru_cache(maxsize=1)
def _load_model(path: Path, _checksum: str) -> "kenlm.Model":
    import kenlm

    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), config)
    except OSError as error:
        raise DataError(
            "kenlm cannot read this n-gram model",
            where=str(path),
            why=str(error),
            fix=f"delete {path.parent} and run `langadapt prep` again: it is made anew",
        ) from error


def read(path: Path) -> Iterator[Score]:
    """The scores of one side file, in the order of the documents."""
    with open_binary(path) as lines:
        for line in lines:
            yield Score(**json.loads(line))
