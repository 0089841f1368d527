"""Vectors of pieces from the words they are used in and beside: what `aligned` mixtures compare.

Both tokenizers cut the same words, so old pieces and new ones share their contexts: the word a piece is part of, and
the words up to `WINDOW` away. Positive pointwise mutual information with smoothed contexts, then a truncated singular
value decomposition, after Levy, Goldberg and Dagan (2015, TACL 3, "Improving Distributional Similarity").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

Matrix = Any
"""A scipy.sparse array."""

WINDOW = 2
"""Words to either side; a word's own weight is 1, that of one at distance d is 1 / (1 + d)."""

MOST_CONTEXTS = 50_000
"""Words, the most frequent ones: rarer ones would add memory and noise."""

SMOOTHING = 0.75
"""Exponent of the contexts' frequencies, without which rare contexts look like strong ones (Levy et al.)."""

DIMENSIONS = 100
"""Of a vector, where the text has as many words; as in most such studies."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The words of a text, and what stands beside them.

    Attributes:
        counts: Of every different word.
        weights: [words, contexts]: how often, weighted by distance, a context is or stands beside a word.
    """

    counts: Mapping[str, int]
    weights: Matrix


def beside(runs: Iterable[Sequence[str]]) -> Beside:
    """Counts over the words of texts in order, each text a run of its own; a running word is held in 4 bytes."""
    number: dict[str, int] = {}
    texts = [np.array([number.setdefault(word, len(number)) for word in run], dtype=np.int32) for run in runs]
    counts = np.bincount(_join(texts), minlength=len(number))
    weights = sparse.diags_array(counts.astype(np.float64)).tocsr()
    for distance in range(1, WINDOW + 1):
        pairs = _join([text[:-distance] for text in texts]), _join([text[distance:] for text in texts])
        values = np.full(len(pairs[0]), 1 / (1 + distance))
        one_way = sparse.coo_array((values, pairs), shape=weights.shape).tocsr()
        weights = weights + one_way + one_way.T
    contexts = np.sort(np.argsort(-counts, kind="stable")[:MOST_CONTEXTS])
    return Beside(counts=dict(zip(number, counts.tolist(), strict=True)), weights=weights.tocsr()[:, contexts])


def _join(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.empty(0, np.int32), *parts])


@dataclass(frozen=True, kw_only=True)
class PieceUse:
    """How a tokenizer's pieces are used in a text.

    Attributes:
        occurrences: [pieces]
        contexts: [pieces, contexts], those of the words each piece is part of.
    """

    occurrences: NDArray[np.int64]
    contexts: Matrix


def pieces_in(found: Beside, tokenizer: "SentencePieceProcessor") -> PieceUse:
    """Each different word is cut once."""
    cuts = tokenizer.encode(list(found.counts))
    sizes = [len(cut) for cut in cuts]
    pieces = np.array([piece for cut in cuts for piece in cut], dtype=np.int64)
    words = np.repeat(np.arange(len(cuts)), sizes)
    shape = (tokenizer.get_piece_size(), len(cuts))
    holds = sparse.coo_array((np.ones(len(pieces)), (pieces, words)), shape=shape).tocsr()
    counts = np.fromiter(found.counts.values(), dtype=np.int64, count=len(cuts))
    return PieceUse(occurrences=(holds @ counts).astype(np.int64), contexts=holds @ found.weights)


def embed(contexts: Matrix) -> NDArray[np.float64]:
    """Unit vectors of the rows, whose dot products are cosines; a row without contexts is zero.

    Args:
        contexts: Weights [rows, contexts].
    """
    information = positive_information(contexts)
    size = min(DIMENSIONS, *(side - 1 for side in information.shape))
    left, singular, _ = sparse.linalg.svds(information, k=size, rng=0)
    vectors: NDArray[np.float64] = left * np.sqrt(np.maximum(singular, 0))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(norms > 1e-12, norms, np.inf)
    return vectors


def positive_information(contexts: Matrix) -> Matrix:
    """max(0, log p(row, context) / (p(row) p(context))) with smoothed p(context), where both occur together."""
    pairs = contexts.tocoo()
    of_row = np.asarray(contexts.sum(axis=1)).ravel()
    of_context = np.asarray(contexts.sum(axis=0)).ravel() ** SMOOTHING
    expected = of_row[pairs.row] * of_context[pairs.col] / of_context.sum()
    values = np.maximum(np.log(pairs.data / expected), 0)
    result = sparse.coo_array((values, (pairs.row, pairs.col)), shape=contexts.shape).tocsr()
    result.eliminate_zeros()
    return result
