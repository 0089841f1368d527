"""Sums over the documents of one language and kind as one tokenizer sees them."""

import math
from dataclasses import dataclass


@dataclass
class Counts:
    """What is added up, document by document."""

    documents: int = 0
    words: int = 0
    """Runs of anything but white space: what fertility is counted by in the field."""
    characters: int = 0
    """Unicode code points, white space included."""
    bytes: int = 0
    """Of UTF-8."""
    tokens: int = 0
    """Of the text alone, without end-of-document tokens."""
    fallback: int = 0
    """Characters that no piece holds whole."""
    tokens_squared: int = 0
    words_squared: int = 0
    tokens_times_words: int = 0

    def add(self, text: str, tokens: int) -> None:
        """One document."""
        words = len(text.split())
        self.documents += 1
        self.words += words
        self.characters += len(text)
        self.bytes += len(text.encode())
        self.tokens += tokens
        self.tokens_squared += tokens * tokens
        self.words_squared += words * words
        self.tokens_times_words += tokens * words

    @property
    def tokens_per_word(self) -> float:
        """Fertility: a ratio of sums, so that a long document counts for its length."""
        return self.tokens / self.words

    @property
    def standard_error(self) -> float | None:
        """Of tokens_per_word if other documents had been drawn: the linearised variance of a ratio R = T / W.

        sum (t - R w)^2 n / (n - 1) / W^2 over the n documents (Cochran, Sampling Techniques, 6.3).
        """
        if self.documents < 2:
            return None
        ratio = self.tokens_per_word
        squares = self.tokens_squared - 2 * ratio * self.tokens_times_words + ratio**2 * self.words_squared
        return math.sqrt(max(0.0, squares) * self.documents / (self.documents - 1)) / self.words
