"""The fixed windows of held-out tokens that every reading scores, and the curves they add up to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import token_bytes
from data_prep.errors import DataError
from data_prep.indexed_dataset import read_size
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt
from data_prep.vocabulary import Vocabulary
from recipes.monitor.settings import set_name

Tokens = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of one set.

    Attributes:
        name: source.lang.kind.
        lang: Of its receipt; None without one.
        inputs: [windows, length] tokens the model reads.
        targets: [windows, length] the token after each.
        scored: [windows, length] which targets count: text, not ends of documents or padding.
        text_bytes: UTF-8 bytes of the scored targets.
    """

    name: str
    lang: str | None
    inputs: Tokens
    targets: Tokens
    scored: Mask
    text_bytes: int


def language(prefix: Path) -> str | None:
    """BCP-47 with script, as the receipt beside a dataset says; None without a receipt."""
    path = receipt_path(prefix)
    return Receipt.load(path).details.get("lang") if path.is_file() else None


def load(prefix: Path, vocabulary: Vocabulary, *, length: int, sequences: int) -> Windows:
    """Reads the windows of a set.

    Its documents follow each other as in training, the first after an end-of-document token as well, so that every
    token has one before it. Windows do not overlap; the last of a set may be padded.

    Args:
        prefix: A token dataset.
        vocabulary: It was made with.
        length: Tokens of a window.
        sequences: Windows at most, spread evenly over the set.

    Raises:
        DataError: The set holds no text.
    """
    size = read_size(prefix)
    file = append_suffix(prefix, ".bin")
    stream = np.memmap(file, dtype=size.dtype, mode="r") if size.tokens else np.empty(0, dtype=size.dtype)
    starts = [length * place for place in spread(-(-size.tokens // length), sequences)]
    shape = (len(starts), length)
    inputs, targets = np.full(shape, vocabulary.eod_id), np.full(shape, vocabulary.eod_id)
    for row, start in enumerate(starts):
        taken = stream[max(start - 1, 0) : start + length].astype(np.int64)
        followed = taken if start == 0 else taken[1:]
        targets[row, : len(followed)] = followed
        inputs[row, 0] = vocabulary.eod_id if start == 0 else taken[0]
        inputs[row, 1 : len(followed)] = followed[:-1]
    counts = token_bytes.count(targets, inputs, vocabulary)
    scored = counts != token_bytes.NO_TEXT
    if not scored.any():
        raise DataError(
            f"the monitor set {set_name(prefix)} holds no text",
            where=str(prefix),
            why="it has no bits per byte",
            fix="leave it out of langadapt.monitor.sets",
        )
    return Windows(
        name=set_name(prefix),
        lang=language(prefix),
        inputs=inputs,
        targets=targets,
        scored=scored,
        text_bytes=int(counts[scored].sum()),
    )


def spread(windows: int, wanted: int) -> list[int]:
    """Up to `wanted` of so many windows, evenly spread, the first among them."""
    chosen = min(windows, wanted)
    return [place * windows // chosen for place in range(chosen)]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What one curve adds up: a set, or all sets of a language.

    Attributes:
        name: Of the set, or the language.
        members: Numbers of its sets.
        digest: Of the tokens it scores: a baseline of other tokens is none of this curve.
    """

    name: str
    members: tuple[int, ...]
    tokens: int
    text_bytes: int
    digest: str


def curves(sets: Sequence[Windows]) -> list[Curve]:
    """One a set, then one a language."""
    langs = sorted({each.lang for each in sets if each.lang})
    groups: dict[str, tuple[int, ...]] = {each.name: (number,) for number, each in enumerate(sets)}
    groups |= {lang: tuple(number for number, each in enumerate(sets) if each.lang == lang) for lang in langs}
    return [
        Curve(
            name=name,
            members=members,
            tokens=sum(int(sets[number].scored.sum()) for number in members),
            text_bytes=sum(sets[number].text_bytes for number in members),
            digest=_digest([sets[number] for number in members]),
        )
        for name, members in groups.items()
    ]


def _digest(sets: Sequence[Windows]) -> str:
    digest = hashlib.sha256()
    for each in sets:
        digest.update(each.inputs.tobytes() + each.targets.tobytes())
    return digest.hexdigest()
