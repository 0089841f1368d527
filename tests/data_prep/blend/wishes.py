"""Datasets and settings by a few words; tokens in millions, so that a sample of 4,096 is small beside them."""

from pathlib import Path
from typing import Any

from data_prep.blend.records import BlendPlan, Dataset
from data_prep.blend.settings import BlendSettings

M = 1_000_000


def dataset(lang: str, kind: str, tokens: float, split: str = "train", source: str = "s") -> Dataset:
    return Dataset(
        prefix=f"/{split}/{source}.{lang}.{kind}",
        source=source,
        lang=lang,
        kind=kind,
        split=split,
        tokens=round(tokens * M),
        documents=1,
        tokenizer_sha256="t",
    )


def wishes(**changes: Any) -> BlendSettings:
    values = {
        "tokens_dir": Path("tokens"),
        "output": Path("cpt.yaml"),
        "budget_tokens": 400 * M,
        "language_shares": {"en": 0.5, "hi": 0.5},
    }
    return BlendSettings(**{**values, **changes})


HELDOUT = [dataset("en-Latn", "real", 10, "heldout"), dataset("hi-Deva", "real", 10, "heldout")]
PAPER = [
    dataset("en-Latn", "real", 200),
    dataset("hi-Deva", "real", 40),
    dataset("hi-Deva", "translated", 60),
    dataset("hi-Latn", "romanized", 120),
    *HELDOUT,
]


def millions(blend: BlendPlan) -> dict[str, float]:
    """Tokens drawn, in millions, by language and kind, or by source where there are several."""
    return {f"{entry.source}.{entry.lang}.{entry.kind}": entry.tokens_drawn / M for entry in blend.train}
