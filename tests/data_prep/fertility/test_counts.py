"""Fertility is a ratio of sums, and its standard error that of a ratio."""

import math

import numpy as np
import pytest

from data_prep.fertility.counts import Counts


def counts(documents: list[tuple[str, int]]) -> Counts:
    found = Counts()
    for text, tokens in documents:
        found.add(text, tokens)
    return found


def test_sums_of_two_documents() -> None:
    found = counts([("नमस्ते दुनिया", 5), ("one\n two  three", 4)])
    assert (found.documents, found.words, found.tokens) == (2, 5, 9)
    assert (found.characters, found.bytes) == (13 + 15, 37 + 15)
    assert found.tokens_per_word == 9 / 5


def test_the_standard_error_is_that_of_the_textbook() -> None:
    tokens, words = np.array([5, 9, 4, 22]), np.array([2, 5, 3, 9])
    found = counts([("w " * w, int(t)) for t, w in zip(tokens, words, strict=True)])
    residuals = tokens - found.tokens_per_word * words
    assert found.standard_error == pytest.approx(math.sqrt(residuals.var(ddof=1) / 4) / words.mean())


def test_the_standard_error_is_that_of_drawing_other_documents() -> None:
    draw = np.random.default_rng(0)
    words = draw.integers(5, 50, 400)
    tokens = words * draw.normal(1.7, 0.3, 400)
    ratios = [tokens[at].sum() / words[at].sum() for at in draw.integers(400, size=(2000, 400))]
    found = counts([("w " * w, round(t)) for t, w in zip(tokens, words, strict=True)])
    assert found.standard_error == pytest.approx(np.std(ratios), rel=0.1)


def test_one_document_has_no_standard_error() -> None:
    assert counts([("a b", 3)]).standard_error is None
