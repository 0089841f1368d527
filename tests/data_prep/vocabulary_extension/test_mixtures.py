import numpy as np
import pytest
from scipy import sparse

from data_prep.vocabulary_extension import merge, mixtures, words
from data_prep.vocabulary_extension.mixtures import aligned, grow, mean, sparsemax


@pytest.fixture(scope="module")
def runs(extended):
    return list(words.find_words(extended.learnt_from, "hi-Deva", merge.bare(extended.extension.base)))


def test_the_mean_is_over_what_the_base_cuts_a_piece_into(extended) -> None:
    base = merge.bare(extended.extension.base)
    mixture = mean(extended.extension).toarray()
    for row, piece in zip(mixture, extended.extension.pieces, strict=True):
        parts = base.encode(piece)
        expected = np.bincount(parts, minlength=base.get_piece_size()) / len(parts)
        assert np.allclose(row, expected), piece


def test_aligned_rows_sum_to_one_and_take_parts_and_others(extended, runs) -> None:
    mixture, fallbacks = aligned(extended.extension, runs)
    assert np.allclose(mixture.sum(axis=1), 1)
    assert mixture.min() >= 0
    assert 0 < fallbacks < len(extended.extension.pieces) / 2
    base = merge.bare(extended.extension.base)
    shares = [
        mixture[[index]].toarray()[0, base.encode(piece)].sum() for index, piece in enumerate(extended.extension.pieces)
    ]
    assert 0.1 < np.mean(shares) < 0.9


def test_a_piece_too_rare_to_be_compared_gets_the_mean(extended, runs, monkeypatch) -> None:
    monkeypatch.setattr(mixtures, "MIN_OCCURRENCES", 30)
    mixture, fallbacks = aligned(extended.extension, runs)
    tokenizer = merge.bare(extended.extension.model)
    first = tokenizer.get_piece_size() - len(extended.extension.pieces)
    counts = np.bincount([piece for run in runs for word in run for piece in tokenizer.encode(word)])
    rare = np.flatnonzero(counts[first:] < 30)
    assert fallbacks == len(rare) > 0
    assert np.allclose(mixture[rare].toarray(), mean(extended.extension)[rare].toarray())


def test_a_text_without_frequent_pieces_gives_the_mean_everywhere(extended) -> None:
    mixture, fallbacks = aligned(extended.extension, [["▁का"]])
    assert fallbacks == len(extended.extension.pieces)
    assert np.array_equal(mixture.toarray(), mean(extended.extension).toarray())


def test_aligned_is_deterministic(extended, runs) -> None:
    first, second = (aligned(extended.extension, runs)[0] for _ in range(2))
    assert np.array_equal(first.toarray(), second.toarray())


def test_sparsemax_written_out() -> None:
    weights = sparsemax(np.array([[0.5, 0.1, -2.0], [3.0, 0.0, 0.0], [0.2, 0.2, 0.2]]))
    assert np.allclose(weights, [[0.7, 0.3, 0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_a_table_keeps_its_rows_and_grows_by_mixtures_and_mean_padding() -> None:
    table = np.array([[1, 2], [3, 4], [9, 9]], dtype=np.float32)  # the last is padding
    grown = grow(table, sparse.csr_array(np.array([[0.5, 0.5], [0.0, 1.0]])), 6)
    assert grown.tolist() == [[1, 2], [3, 4], [2, 3], [3, 4], [2, 3], [2, 3]]
    assert grown.dtype == np.float32
