"""Our arithmetic against megatron-core's own code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from megatron.core.datasets import helpers
from megatron.core.datasets.blended_dataset import BlendedDataset
from megatron.core.datasets.blended_megatron_dataset_builder import _get_size_per_split_per_dataset
from megatron.core.datasets.utils import normalize

from data_prep.blend.megatron import MOST_DATASETS, oversampled, settle

from .token_datasets import build_blend, write_pair


def build(folder: Path, draws: list[float], tokens: list[int], length: int, samples: int) -> BlendedDataset:
    """The training data NeMo would read: megatron-core's builder over real pairs."""
    blend: list[float | str] = []
    for number, (draw, count) in enumerate(zip(draws, tokens, strict=True)):
        write_pair(folder / str(number), [count])
        blend += [draw, str(folder / str(number))]
    return build_blend(blend, length, samples)


TINY = [0.05] * 40
"""Upstream asks each for a sample and deals out 40 more than wished, of which all but a few go to the others."""


def test_upstream_stops_where_datasets_before_others_get_no_sample(tmp_path: Path) -> None:
    """Megatron-LM issue 705: numpy.unique leaves them out, and a length is compared with another dataset's count."""
    with pytest.raises(IndexError, match=r"oversamples \(N = 1\d\) GPTDataset \d+ \(len = 1\)"):
        build(tmp_path, [90, *TINY, 8], [17_000, *[17] * 40, 1700], 16, 100)


def test_in_a_list_by_falling_weight_it_does_not_stop(tmp_path: Path) -> None:
    dataset = build(tmp_path, [90, 8, *TINY], [17_000, 1700, *[17] * 40], 16, 100)
    counts = np.bincount(dataset.dataset_index, minlength=42)
    assert (counts[:2] > 0).all()
    assert (counts[2:] == 0).any()


MANY = [60.0, *[1.0] * 40]


def test_upstream_stops_where_whole_epochs_end_within_its_rounding(tmp_path: Path) -> None:
    """Each of the 40 is asked for 2 samples of 1.005, so that all are dealt 1.4 times the wish; the first holds 61."""
    tokens = [61 * 16 + 1, *[33] * 40]
    with pytest.raises(IndexError, match=r"oversamples \(N = 8\d\) GPTDataset 0 \(len = 61\)"):
        build(tmp_path, MANY, tokens, 16, 100)


def test_a_settled_blend_is_built(tmp_path: Path) -> None:
    tokens = [61 * 16 + 1, *[33] * 40]
    assert oversampled(MANY, tokens, 16, 100) == {0: 61}
    settled = settle(MANY, tokens, 16, 100)
    assert settled[0] == pytest.approx(61.5 / 1.005)
    assert settled[1] == pytest.approx((100 - 61.5 / 1.005) / 40)
    assert len(build(tmp_path, settled, tokens, 16, 100)) >= 100


def test_upstream_numbers_datasets_in_16_bits() -> None:
    with pytest.raises(AssertionError):
        BlendedDataset([None] * (MOST_DATASETS + 1), [1.0] * (MOST_DATASETS + 1), 10, None)
    with pytest.raises(AttributeError):  # one less passes that assertion and fails a later one
        BlendedDataset([None] * MOST_DATASETS, [1.0] * MOST_DATASETS, 10, None)


def test_one_sample_in_five_million_is_dealt_out_once() -> None:
    samples = 4_882_812
    counts, held = dealt([samples - 1.0, 1.0], [20 * 10**9, 4097], 4096, samples)
    assert counts.tolist() == [samples - 1, 1]
    assert (held >= counts).all()


def dealt(draws: list[float], tokens: list[int], length: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of each dataset among those the run reads, by upstream's code, and what its checks compare with.

    The second are the lengths of the GPTDatasets: whole epochs of at least the samples asked for.
    """
    weights = normalize(draws)
    asked = [sizes[0] for sizes in _get_size_per_split_per_dataset(weights, [samples])]
    index, inner = np.zeros(sum(asked), np.int16), np.zeros(sum(asked), np.int64)
    helpers.build_blending_indices(index, inner, weights, len(weights), len(index), False)
    epochs = [-(-(each * length + 1) // count) for each, count in zip(asked, tokens, strict=True)]
    held = np.array([(times * count - 1) // length for times, count in zip(epochs, tokens, strict=True)])
    assert (np.bincount(index, minlength=len(weights)) <= held).all()
    present = np.flatnonzero(np.bincount(index))
    assert present.tolist() == list(range(len(present))), "upstream compares counts with the wrong dataset"
    return np.bincount(index[:samples], minlength=len(weights)), held


@st.composite
def blends(draw: st.DrawFn) -> tuple[list[float], list[int], int, int]:
    """Datasets whose epochs end anywhere near the samples drawn of them; ten samples a dataset on average and more."""
    count = draw(st.integers(2, 60))
    wide = draw(st.floats(0.1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    samples = int(count * 10 ** draw(st.floats(1, 3.5)))
    wishes = np.exp(random.normal(0, wide, count))
    draws = np.sort(np.maximum(wishes / wishes.sum() * samples, 1.0))[::-1]
    draws *= samples / draws.sum()
    epochs = random.choice([random.uniform(0.3, 4, count), np.round(random.uniform(0.6, 4, count)) / 1.005])
    length = draw(st.integers(2, 512))
    tokens = np.maximum(draws * length / epochs, length + 1).astype(int)
    return draws.tolist(), tokens.tolist(), length, samples


@settings(max_examples=300)
@given(blends())
def test_whatever_is_settled_upstream_holds_and_deals_out_within_half_a_per_cent(blend) -> None:
    draws, tokens, length, samples = blend
    settled = settle(draws, tokens, length, samples)
    order = np.argsort(-np.array(settled), kind="stable")
    planned = np.array(settled)[order]
    counts, _ = dealt(planned.tolist(), [tokens[place] for place in order], length, samples)
    assert (np.abs(counts - planned) <= np.maximum(0.005 * planned, 2)).all()


def test_too_many_datasets_for_the_samples_cannot_be_settled() -> None:
    assert settle([5.0, 3.0, 1.0], [5, 8, 7], 4, 3) is None
