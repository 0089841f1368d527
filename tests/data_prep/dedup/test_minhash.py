"""MinHash against the theory it stands on."""

import math

import numpy as np
import pytest

from data_prep.dedup.minhash import HASHES, band_keys, banding, found, minima, shingles, signatures


def pair(draw, similarity, size=400):
    """The hashes of two sets with this Jaccard similarity."""
    common = round(size * similarity)
    values = draw.integers(0, 2**32, size, np.uint32)
    left = (size - common) // 2
    return values[: common + left], np.concatenate([values[:common], values[common + left :]])


def test_the_bands_of_a_threshold_are_the_widest_that_find_90_percent_there():
    assert banding(0.8) == (16, 8)
    assert banding(0.9) == (9, 14)
    assert banding(0.5) == (42, 3)
    assert banding(1.0) == (1, HASHES)
    assert banding(0.01) == (HASHES, 1)
    for threshold in (0.3, 0.6, 0.75, 0.95):
        bands, rows = banding(threshold)
        assert found(threshold, bands, rows) >= 0.9 > found(threshold, HASHES // (rows + 1), rows + 1)


def test_the_curve_of_the_documentation():
    values = [round(found(each, 16, 8), 2) for each in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85)]
    assert values == [0.06, 0.24, 0.61, 0.82, 0.95, 0.99]
    assert round(found(0.8, 14, 8), 2) == 0.92  # datatrove's
    assert round(found(0.8, 20, 13), 2) == 0.68  # NeMo-Curator's


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_signatures_estimate_the_similarity_without_bias_and_with_the_spread_of_the_theory(similarity):
    draw = np.random.default_rng(7)
    estimates = []
    for _ in range(400):
        left, right = (signatures(minima(each)) for each in pair(draw, similarity))
        estimates.append((left == right).mean())
    spread = math.sqrt(similarity * (1 - similarity) / HASHES)
    assert np.mean(estimates) == pytest.approx(similarity, abs=4 * spread / math.sqrt(400))
    assert np.std(estimates) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("similarity", [0.7, 0.8, 0.9])
def test_bands_find_as_many_pairs_as_the_theory_says(similarity):
    draw = np.random.default_rng(11)
    count = 400
    pairs = [pair(draw, similarity) for _ in range(count)]
    left, right = (band_keys(np.stack([minima(each[side]) for each in pairs]), 16, 8) for side in (0, 1))
    expected = found(similarity, 16, 8)
    sigma = math.sqrt(max(expected * (1 - expected), 1 / count) / count)
    assert (left == right).any(axis=0).mean() == pytest.approx(expected, abs=4 * sigma)


def test_a_long_text_has_the_minima_of_its_parts():
    """Texts are hashed in pieces, so that a document of 100 MB needs no more memory than its words."""
    values = np.random.default_rng(3).integers(0, 2**32, 5000, np.uint32)
    assert np.array_equal(minima(values), np.minimum(minima(values[:1700]), minima(values[1700:])))


def test_shingles_are_runs_of_words_and_a_short_text_is_one_run():
    words = np.arange(1, 8, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert len(shingles(words, 5)) == 3
    assert shingles(words, 5)[1] == shingles(words[1:6], 5)[0]
    assert len(shingles(words[:2], 5)) == 1
    assert shingles(words[:2], 5) != shingles(words[1::-1], 5)
    assert len(shingles(words[:1], 1)) == 1
