"""What an extension does to text it has not learnt from: fertility of each language, and encodings that changed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from data_prep.documents import Document
from data_prep.vocabulary_extension.merge import Extension, processor


@dataclass
class _Sums:
    words: int = 0
    before: int = 0
    after: int = 0
    replaced: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For the receipt."""
        return {
            "words": self.words,
            "tokens": {"before": self.before, "after": self.after},
            "tokens_per_word": {
                "before": round(self.before / max(self.words, 1), 4),
                "after": round(self.after / max(self.words, 1), 4),
            },
            "replaced_share": round(self.replaced / max(self.before, 1), 6),
        }


@dataclass
class Comparison:
    """Sums of both tokenizers by language."""

    by_lang: dict[str, _Sums] = field(default_factory=dict)

    def add(self, lang: str, text: str, before: list[int], after: list[int]) -> None:
        """One document, encoded by both."""
        sums = self.by_lang.setdefault(lang, _Sums())
        sums.words += len(text.split())
        sums.before += len(before)
        sums.after += len(after)
        sums.replaced += (Counter(before) - Counter(after)).total()

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """{lang: {words, tokens, tokens_per_word, replaced_share}}."""
        return {lang: self.by_lang[lang].as_dict() for lang in sorted(self.by_lang)}


def compare(extension: Extension, documents: Iterable[Document]) -> dict[str, dict[str, Any]]:
    """Both tokenizers on held-out documents.

    Tokens per word counts what white space separates. `replaced_share` is the share of the base's tokens that the
    extended tokenizer no longer produces: of a language nothing was learnt for, how much the model sees differently.
    """
    base, extended = processor(extension.base), processor(extension.model)
    comparison = Comparison()
    for document in documents:
        comparison.add(document.lang, document.text, base.encode(document.text), extended.encode(document.text))
    return comparison.as_dict()
