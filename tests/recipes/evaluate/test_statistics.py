"""Written-out figures, and the same answers as scipy's and sacrebleu's own tests."""

import math

import numpy as np
import pytest
from sacrebleu.metrics import CHRF
from sacrebleu.significance import PairedTest
from scipy.stats import bootstrap as scipy_bootstrap

from recipes.evaluate.statistics import (
    bootstrap,
    bootstrap_values,
    detectable,
    detectable_paired,
    detectable_unpaired,
    holm,
    mcnemar,
    mean,
    paired_bootstrap,
    ratio,
    standard_error_of_mean,
    standard_error_of_proportion,
)

ITEMS = [200, 450, 1000, 2000, 5000, 9881]


def test_standard_error_of_a_mean():
    assert standard_error_of_mean([1, 2, 3, 4]) == pytest.approx(math.sqrt(5 / 3) / 2)
    assert standard_error_of_mean([7]) is None


def test_standard_error_of_a_proportion():
    assert standard_error_of_proportion(0.5, 100) == pytest.approx(0.05)
    assert standard_error_of_proportion(0.1, 900) == pytest.approx(0.01)


@pytest.mark.parametrize(("items", "points"), zip(ITEMS, [6.9, 4.6, 3.1, 2.2, 1.4, 1.0], strict=True))
def test_half_width_of_one_accuracy_at_one_half(items, points):
    error = standard_error_of_proportion(0.5, items)
    assert 100 * detectable(error, power=0.5) == pytest.approx(points, abs=0.05)


@pytest.mark.parametrize(("items", "points"), zip(ITEMS, [6.2, 4.1, 2.8, 2.0, 1.2, 0.9], strict=True))
def test_half_width_of_a_paired_difference_with_a_fifth_discordant(items, points):
    assert 100 * detectable_paired(0.2, items, power=0.5) == pytest.approx(points, abs=0.05)


def test_detectable_with_a_power_of_four_fifths_is_2_8_standard_errors():
    assert detectable(1.0) == pytest.approx(1.95996 + 0.84162, abs=1e-4)
    assert detectable_paired(0.2, 200) == pytest.approx(2.80158 * math.sqrt(0.001), abs=1e-5)


def test_unpaired_needs_a_larger_difference_than_paired():
    assert detectable_unpaired(0.5, 0.5, 200, power=0.5) == pytest.approx(1.95996 * 0.05, abs=1e-5)
    assert detectable_unpaired(0.5, 0.5, 200) > detectable_paired(0.2, 200)


def test_bootstrap_error_of_a_mean_is_near_the_formula():
    values = np.arange(100) % 7
    found = bootstrap(values, samples=4000, seed=1)
    assert found.value == values.mean()
    assert found.standard_error == pytest.approx(standard_error_of_mean(values), rel=0.05)
    assert found.low == pytest.approx(values.mean() - 1.96 * found.standard_error, abs=0.03)
    assert found.high == pytest.approx(values.mean() + 1.96 * found.standard_error, abs=0.03)


def test_bootstrap_of_a_ratio_agrees_with_scipy():
    generator = np.random.default_rng(5)
    sizes = generator.integers(1, 50, 80).astype(float)
    bits = sizes * generator.normal(2, 0.5, 80)
    found = bootstrap(np.stack([bits, sizes], axis=1), ratio, samples=4000, seed=0)
    theirs = scipy_bootstrap(
        (bits, sizes),
        lambda b, s, axis: b.sum(axis) / s.sum(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    assert found.value == pytest.approx(bits.sum() / sizes.sum())
    assert found.standard_error == pytest.approx(theirs.standard_error, rel=0.06)
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_the_same_seed_draws_the_same_items_and_another_seed_others():
    rows = np.arange(30.0)
    draw = bootstrap_values(rows, mean, samples=20, seed=3)
    assert np.array_equal(draw, bootstrap_values(rows, mean, samples=20, seed=3))
    assert not np.array_equal(draw, bootstrap_values(rows, mean, samples=20, seed=4))
    double = bootstrap_values(2 * rows, mean, samples=20, seed=3)
    assert double == pytest.approx(2 * draw)


def test_many_samples_of_many_items_come_in_parts_that_hold_every_sample():
    """2,000 x 5,000 draws are five times what is held at once."""
    values = bootstrap_values(np.arange(5000) % 2, mean, samples=2000, seed=0)
    assert values.shape == (2000,)
    assert values.std() == pytest.approx(standard_error_of_proportion(0.5, 5000), rel=0.08)


def test_too_little_for_an_uncertainty():
    alone = bootstrap([0.25], samples=100, seed=0)
    assert (alone.value, alone.standard_error, alone.low, alone.high) == (0.25, None, None, None)
    assert bootstrap([0.0, 1.0], samples=0, seed=0).standard_error is None


def test_paired_difference_written_out():
    """100 items, 30 gained and 10 lost: delta 0.2, variance of an item's difference 0.4 - 0.04."""
    one = [0] * 30 + [1] * 10 + [1] * 60
    other = [1] * 30 + [0] * 10 + [1] * 60
    found = paired_bootstrap(one, other, samples=4000, seed=0)
    assert found.items == 100
    assert found.delta == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(0.06, rel=0.05)
    assert found.low == pytest.approx(0.2 - 1.96 * 0.06, abs=0.011)
    assert found.high == pytest.approx(0.2 + 1.96 * 0.06, abs=0.011)
    assert found.p < 0.005


def test_equal_models_do_not_differ():
    values = [0, 1, 1, 0, 1] * 10
    found = paired_bootstrap(values, values, samples=200, seed=0)
    assert (found.delta, found.standard_error, found.low, found.high, found.p) == (0, 0, 0, 0, 1)


def test_pairing_leaves_out_how_hard_the_items_are():
    """Item difficulty spreads scores by 100, the models differ by 1 everywhere: paired sees it, unpaired could not."""
    hard = np.linspace(0, 100, 50)
    found = paired_bootstrap(hard, hard + 1 + np.tile([0.1, -0.1], 25), samples=500, seed=0)
    assert found.standard_error < 0.02 < standard_error_of_mean(hard)
    assert found.p == pytest.approx(1 / 501)


def test_mcnemar_is_the_binomial_test_of_the_items_one_model_gets_right():
    """9 gained, 1 lost: 2 x (1 + 10) / 2^10."""
    one = [0] * 9 + [1] * 1 + [1] * 20
    other = [1] * 9 + [0] * 1 + [1] * 20
    assert mcnemar(one, other) == pytest.approx(22 / 1024)
    assert mcnemar(other, one) == pytest.approx(22 / 1024)


def test_mcnemar_of_models_that_agree_on_every_item():
    assert mcnemar([0, 1, 1], [0, 1, 1]) == 1.0


def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_chrf_by_resampled_counts_agrees_with_sacrebleu_s_own_paired_test(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    words = ["राम", "घर", "गया", "पानी", "किताब", "नदी", "बड़ा", "छोटा"]
    generator = np.random.default_rng(0)
    references = [" ".join(generator.choice(words, 6)) for _ in range(40)]

    def worse(share: float) -> list[str]:
        return [
            " ".join(word if generator.random() > share else str(generator.choice(words)) for word in line.split())
            for line in references
        ]

    systems = {"one": worse(0.5), "other": worse(0.4)}
    metric = CHRF(word_order=2, references=[references])
    counts = {name: np.asarray(metric._extract_corpus_statistics(lines, None)) for name, lines in systems.items()}

    def chrf(means: np.ndarray) -> np.ndarray:
        return np.apply_along_axis(metric._compute_f_score, -1, means)

    ours = paired_bootstrap(counts["one"], counts["other"], chrf, samples=1000, seed=0)
    _, theirs = PairedTest(
        list(systems.items()), {"ChrF": CHRF(word_order=2, references=[references])}, None, n_samples=1000
    )()
    base, other = theirs["chrF2++"]
    assert ours.delta == pytest.approx(other.score - base.score)
    assert ours.p == pytest.approx(other.p_value, abs=0.04)
    assert 0.0 < ours.p < 1.0
    alone = bootstrap(counts["one"], chrf, samples=1000, seed=0)
    half_width = metric.corpus_score(systems["one"], None, n_bootstrap=1000)._ci
    assert (alone.high - alone.low) / 2 == pytest.approx(half_width, rel=0.12)
