"""ARPA files read back, and the one lmplz wrote of `reference.txt`.

reference.txt: the first 30 lines of the sample corpus's Hindi documents, as `words` cuts them (CC0). The ARPA files:
    lmplz -o 3 --discount_fallback < reference.txt > reference.arpa
    lmplz -o 4 --prune 0 1 1 1 --discount_fallback < reference.txt > reference_pruned.arpa
with lmplz of kenlm 0.3.0.
"""

import io
from pathlib import Path

from data_prep.perplexity import arpa, kneser_ney

HERE = Path(__file__).parent
SENTENCES = (HERE / "reference.txt").read_text("utf-8").splitlines()

Model = dict[str, tuple[float, float]]


def parse(content: bytes) -> Model:
    """{n-gram: (log10 probability, log10 backoff)}; 0 where there is no backoff, LEAST where lmplz writes -inf."""
    rows = [line.split("\t") for line in content.decode().splitlines() if "\t" in line]
    return {row[1]: (number(row[0]), number(row[2]) if len(row) > 2 else 0.0) for row in rows}


def number(text: str) -> float:
    return max(float(text), kneser_ney.LEAST)


def ours(sentences: list[str], order: int, prune: tuple[int, ...] = ()) -> bytes:
    """The ARPA file our own estimator writes."""
    text, file = kneser_ney.number(sentences), io.BytesIO()
    arpa.write(file, text, kneser_ney.estimate(text, order, prune))
    return file.getvalue()


def furthest(found: Model, expected: Model) -> float:
    """The largest difference of any number of two models with the same n-grams."""
    assert found.keys() == expected.keys()
    return max(abs(a - b) for gram, pair in expected.items() for a, b in zip(found[gram], pair, strict=True))
