"""What a new piece's row starts from: a weighted sum of the base's rows, the same for the input and the output table.

A mixture is a scipy.sparse matrix [new pieces, old pieces] whose rows sum to 1; times a table of old rows it gives the
new ones.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_prep.vocabulary_extension import vectors
from data_prep.vocabulary_extension.merge import Extension, bare

Mixture = Any

MIN_OCCURRENCES = 5
"""Of a piece in the text: a vector of fewer is chance."""

_AT_ONCE = 1024
"""New pieces compared at once: with 20,000 old pieces their cosines take 164 MB."""


def mean(extension: Extension) -> Mixture:
    """The mean of the pieces (bytes included) that the base cuts a new piece into."""
    base = bare(extension.base)
    parts = base.encode(list(extension.pieces))
    sizes = np.array([len(part) for part in parts])
    columns = np.array([piece for part in parts for piece in part])
    shape = (len(parts), base.get_piece_size())
    entries = (np.repeat(1 / sizes, sizes), (np.repeat(np.arange(len(parts)), sizes), columns))
    return sparse.coo_array(entries, shape=shape).tocsr()


def aligned(extension: Extension, runs: Iterable[Sequence[str]]) -> tuple[Mixture, int]:
    """Old pieces that are used in the same words and beside the same words, the more alike the more weight.

    In the spirit of FOCUS (Dobler and de Melo 2023, arXiv 2305.14481): similarity in an auxiliary space, sparsemax
    over old pieces. It is not FOCUS: the space is made of co-occurrences instead of fastText vectors, and since the
    old vocabulary stays, every old piece of the text can be chosen, a new piece's own parts among them.

    Args:
        extension: The tokenizers.
        runs: The words of each text, from `words.find_words`.

    Returns:
        The mixture, and how many new pieces are too rare in the text to be compared: theirs is the mean.
    """
    found = vectors.beside(runs)
    old, new = (vectors.pieces_in(found, bare(model)) for model in (extension.base, extension.model))
    size = old.contexts.shape[0]
    anchors = np.flatnonzero(old.occurrences >= MIN_OCCURRENCES)
    frequent = np.flatnonzero(new.occurrences[size:] >= MIN_OCCURRENCES)
    if not (anchors.size and frequent.size):
        return mean(extension), len(extension.pieces)
    embedded = vectors.embed(sparse.vstack([old.contexts[anchors], new.contexts[size + frequent]]).tocsr())
    chosen = nearest(embedded[len(anchors) :], embedded[: len(anchors)]).tocoo()
    shape = (len(extension.pieces), size)
    informed = sparse.coo_array((chosen.data, (frequent[chosen.row], anchors[chosen.col])), shape=shape)
    is_rare = np.ones(len(extension.pieces))
    is_rare[frequent] = 0
    return (informed + sparse.diags_array(is_rare) @ mean(extension)).tocsr(), int(is_rare.sum())


def nearest(queries: NDArray[np.float64], anchors: NDArray[np.float64]) -> Mixture:
    """Weights [queries, anchors] by cosine. Sharper or flatter ones did not make better rows.

    Args:
        queries: Unit vectors, one a row.
        anchors: The same.
    """
    starts = range(0, len(queries), _AT_ONCE)
    blocks = (queries[start : start + _AT_ONCE] @ anchors.T for start in starts)
    return sparse.vstack([sparse.csr_array(sparsemax(block)) for block in blocks])


def sparsemax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The point of the simplex nearest to each row: weights that sum to 1, most of them exactly zero.

    Martins and Astudillo (2016, arXiv 1602.02068), algorithm 1.
    """
    ordered = -np.sort(-scores, axis=1)
    sums = np.cumsum(ordered, axis=1)
    sizes = np.arange(1, scores.shape[1] + 1)
    support = np.count_nonzero(1 + sizes * ordered > sums, axis=1)
    threshold = (sums[np.arange(len(scores)), support - 1] - 1) / support
    weights: NDArray[np.float64] = np.maximum(scores - threshold[:, None], 0)
    return weights


def grow(table: NDArray[np.float32], mixture: Mixture, rows: int) -> NDArray[np.float32]:
    """A table with new rows behind the old vocabulary's, and padding behind those.

    Padding gets the mean of the old rows: its logit is then the mean of theirs, so no row of padding takes more of
    the softmax than an average token does.

    Args:
        table: Old rows [at least the old vocabulary, width]; its own padding is dropped.
        mixture: [new pieces, old vocabulary].
        rows: Of the result.
    """
    new, vocabulary = mixture.shape
    old = table[:vocabulary]
    grown = np.empty((rows, table.shape[1]), dtype=table.dtype)
    grown[:vocabulary] = old
    grown[vocabulary : vocabulary + new] = mixture @ old
    grown[vocabulary + new :] = old.mean(axis=0)
    return grown
