"""What a data preparation YAML may say about decontamination."""

import re
from dataclasses import dataclass
from pathlib import Path

from data_prep.layout import resolve_input


@dataclass(frozen=True, kw_only=True)
class EvalSet:
    """Local files of one evaluation set, in the schema lm-eval or its publisher gives them."""

    name: str
    """Names the set in rejects and receipts."""
    path: Path
    """.jsonl, .json, .csv or .parquet, or a folder of such files; relative paths start at the repository root.
    JSON, JSON lines and CSV may be compressed (.gz, .zst)."""
    fields: tuple[str, ...] | None = None
    """Fields that hold an item's text; lists and mappings in them are followed. null takes every field with text in it
    but ids, labels and the like (eval_items.METADATA). For a CSV file without a header give column numbers, from "0".
    """
    id_field: str | None = None
    """Names the items; null names them by file and line."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name, re.ASCII):
            raise ValueError(
                f"the name {self.name!r} of an evaluation set is not one word\n"
                "use letters, digits, `_`, `-` and `.`, e.g. name: mmlu_hi"
            )
        if self.fields == ():
            raise ValueError("fields is empty: no text to look for\nleave it out, or name fields: [question, choices]")

    @property
    def input(self) -> Path:
        """Absolute path."""
        return resolve_input(self.path)


@dataclass(frozen=True, kw_only=True)
class DecontaminateSettings:
    """Which evaluation sets the training text must not hold, and what counts as holding one."""

    enabled: bool = False
    eval_sets: tuple[EvalSet, ...] = ()
    ngram: int = 13
    """Words in a row that mark a document; 13 as GPT-3 and lm-eval."""
    min_words: int = 8
    """A text of an item shorter than `ngram` is matched whole if it has this many words, 8 as GPT-3; shorter ones
    cannot be told from ordinary language and are counted as such."""
    max_items: int = 10
    """n-grams of more different eval texts than this are boilerplate and mark nothing; the receipt shows them."""
    max_documents: int = 1000
    """n-grams in more training documents than this are common phrases and mark nothing; the receipt shows them."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_words <= self.ngram:
            raise ValueError(
                f"min_words {self.min_words} must lie between 1 and ngram ({self.ngram})\ne.g. ngram: 13, min_words: 8"
            )
        if min(self.max_items, self.max_documents) < 1:
            raise ValueError("max_items and max_documents below 1 leave nothing to match\ne.g. 10 and 1000")
        if self.enabled and not self.eval_sets:
            raise ValueError(
                "decontamination is on without evaluation sets\n"
                "list them under eval_sets: [{name: mmlu_hi, path: data/mmlu_hi.jsonl}], or enabled: false"
            )
        names = [each.name for each in self.eval_sets]
        if len(set(names)) < len(names):
            raise ValueError(
                f"two evaluation sets share a name: {', '.join(names)}\ngive each its own: receipts count by it"
            )
