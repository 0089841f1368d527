"""n-gram models as ARPA text, the form every n-gram tool reads."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from data_prep.perplexity.kneser_ney import Estimate, Floats, Text

_LINES = 100_000


def write(file: BinaryIO, text: Text, estimates: Sequence[Estimate]) -> None:
    """Write a model as lmplz does: log10 probability, n-gram, log10 backoff; n-grams in suffix order."""
    counts = "".join(f"ngram {length}={len(each.last)}\n" for length, each in enumerate(estimates, start=1))
    file.write(f"\\data\\\n{counts}".encode())
    for length, each in enumerate(estimates, start=1):
        file.write(f"\n\\{length}-grams:\n".encode())
        parts = (slice(start, start + _LINES) for start in range(0, len(each.last), _LINES))
        file.writelines("".join(_lines(text, each, length, part)).encode() for part in parts)
    file.write(b"\n\\end\\\n")


def _lines(text: Text, each: Estimate, length: int, part: slice) -> Iterator[str]:
    last = each.last[part]
    if length == 1:
        grams = list(text.words[part])
    else:
        columns = [text.ids[last - back].tolist() for back in range(length - 1, -1, -1)]
        grams = [" ".join(map(text.words.__getitem__, row)) for row in zip(*columns, strict=True)]
    backoffs = [""] * len(last) if each.log_backoff is None else [f"\t{x}" for x in _digits(each.log_backoff[part])]
    for probability, gram, backoff in zip(_digits(each.log_probability[part]), grams, backoffs, strict=True):
        yield f"{probability}\t{gram}{backoff}\n"


def _digits(values: Floats) -> list[str]:
    """The fewest digits that give each float32 back."""
    return [str(text).removesuffix(".0") for text in (values + np.float32(0)).astype(str)]
