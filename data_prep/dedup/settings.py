"""What a preparation may say about stage dedup."""

from dataclasses import dataclass

MOST_WORDS = 100


@dataclass(frozen=True, kw_only=True)
class DedupSettings:
    """Documents that say the same as a better or earlier one are left out."""

    enabled: bool = True
    threshold: float = 0.8
    """Share of common word n-grams (Jaccard similarity) from which two documents are near duplicates."""
    ngram: int = 5
    """Words in a row that are compared as one. Shorter documents are compared as a whole."""
    documents_per_task: int = 10_000_000
    """Most documents one task of step `candidates` holds, at about 60 bytes each: lower it when memory is short."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(
                f"threshold {self.threshold} is no similarity: it lies above 0, and 1 means the same n-grams\n"
                "dedup.threshold=0.8 suits web text"
            )
        if not 1 <= self.ngram <= MOST_WORDS:
            raise ValueError(
                f"ngram {self.ngram} is not a number of words from 1 to {MOST_WORDS}\ndedup.ngram=5 suits running text"
            )
        if self.documents_per_task < 1:
            raise ValueError(
                f"documents_per_task {self.documents_per_task} leaves nothing to compare\n"
                "e.g. dedup.documents_per_task=10000000"
            )
