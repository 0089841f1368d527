from math import log

import numpy as np
from scipy import sparse

from data_prep.vocabulary_extension import merge, vectors


def test_weights_of_words_at_and_beside_each_other_written_out() -> None:
    found = vectors.beside([["a", "b", "c"], ["b"], []])
    assert dict(found.counts) == {"a": 1, "b": 2, "c": 1}
    third = 1 / 3
    assert np.allclose(found.weights.toarray(), [[1, 0.5, third], [0.5, 2, 0.5], [third, 0.5, 1]])


def test_only_the_most_frequent_words_are_contexts(monkeypatch) -> None:
    monkeypatch.setattr(vectors, "MOST_CONTEXTS", 1)
    found = vectors.beside([["a", "b", "b"]])
    assert list(found.counts) == ["a", "b"]
    assert found.weights.shape == (2, 1)
    assert found.weights.toarray()[:, 0].tolist() == [0.5 + 1 / 3, 2 + 0.5 + 0.5]


def test_a_piece_has_the_contexts_of_its_words(extended) -> None:
    tokenizer = merge.bare(extended.extension.model)
    word = extended.extension.pieces[-1]
    found = vectors.beside([[word, "▁the", word]])
    use = vectors.pieces_in(found, tokenizer)
    piece = tokenizer.piece_to_id(word)
    assert use.occurrences[piece] == 2
    assert np.allclose(use.contexts.toarray()[piece], found.weights.toarray()[0])


def test_information_of_pairs_written_out() -> None:
    """Row 0: p(context 0) is 3 ** 0.75 of a total of 3 ** 0.75 + 1; it expects 2.08 of its 3, and has 3."""
    information = vectors.positive_information(sparse.csr_array(np.array([[3.0, 0.0], [0.0, 1.0]])))
    total = 3**0.75 + 1
    assert np.allclose(information.toarray(), [[log(total / 3**0.75), 0], [0, log(total)]])


def test_rows_used_alike_point_the_same_way() -> None:
    alike = np.array([[4.0, 2, 0, 0, 0], [2, 1, 0, 0, 0], [0, 0, 3, 3, 1], [0, 0, 0, 1, 4], [0, 0, 0, 0, 0]])
    embedded = vectors.embed(sparse.csr_array(alike))
    cosines = embedded @ embedded.T
    assert np.allclose(np.diag(cosines)[:4], 1)
    assert cosines[0, 1] > 0.99
    assert abs(cosines[0, 2]) < 0.01
    assert not embedded[4].any()
