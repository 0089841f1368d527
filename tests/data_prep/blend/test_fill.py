import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.blend.fill import by_preference, by_temperature, by_unimax, fill

INF = math.inf


@pytest.mark.parametrize(
    ("total", "paces", "floors", "caps", "amounts"),
    [
        (100, [2, 1, 1], [0, 0, 0], [INF, INF, INF], [50, 25, 25]),
        (100, [2, 1, 1], [0, 0, 0], [30, INF, INF], [30, 35, 35]),
        (100, [2, 1, 1], [0, 0, 0], [30, 30, 60], [30, 30, 40]),
        (100, [98, 1, 1], [5, 5, 5], [INF, INF, INF], [90, 5, 5]),
        (100, [98, 1, 1], [5, 5, 5], [50, INF, 8], [50, 42, 8]),
        (60, [1, 1], [0, 0], [20, 40], [20, 40]),
        (10, [1, 3], [5, 5], [20, 40], [5, 5]),
        (7, [1], [0], [INF], [7]),
    ],
)
def test_a_full_dataset_leaves_its_rest_to_the_others(total, paces, floors, caps, amounts) -> None:
    assert fill(total, paces, floors, caps) == pytest.approx(amounts)


def test_preference_reads_twice_the_preferred_twice_as_often() -> None:
    """The paper's Hindi in billions: 40 real x 2 + 60 translated x 1 + 120 romanised x 0.5 = 200."""
    assert by_preference([40, 60, 120], [2.0, 1.0, 0.5]) == [80, 60, 60]


def test_unimax_draws_the_same_of_each_and_caps_the_small() -> None:
    """Algorithm 1 of arXiv 2304.09151, budget 300, 4 epochs: 300 / 3 > 40 gives 40, then 260 / 2 = 130 each."""
    tokens = [1000, 10, 100]
    assert fill(300, by_unimax(tokens), [0] * 3, [4 * count for count in tokens]) == pytest.approx([130, 40, 130])


@pytest.mark.parametrize(
    ("temperature", "ratio"),
    [
        (1, 1000),  # proportional
        (1 / 0.7, 125.892541),  # 1000^0.7, the NeMo launcher's
        (1 / 0.3, 7.943282),  # 1000^0.3, XLM-R's, mT5's and GPT-NeoX's
        (1e9, 1),
    ],
)
def test_temperature_flattens_a_thousand_to_one(temperature: float, ratio: float) -> None:
    large, small = by_temperature([1_000_000, 1000], temperature)
    assert large / small == pytest.approx(ratio)


vessels = st.lists(
    st.tuples(st.floats(1e-6, 1e12), st.integers(0, 10**6), st.integers(0, 10**12)).map(
        lambda each: (each[0], each[1], each[1] + each[2])
    ),
    min_size=1,
    max_size=8,
)


@given(vessels, st.floats(0, 1))
def test_the_total_is_drawn_within_floors_and_caps(vessels, part: float) -> None:
    paces, floors, caps = zip(*vessels, strict=True)
    total = sum(floors) + part * (sum(caps) - sum(floors))
    amounts = fill(total, paces, floors, caps)
    assert sum(amounts) == pytest.approx(total)
    assert all(low <= amount <= high for low, amount, high in zip(floors, amounts, caps, strict=True))


@given(vessels, st.floats(0, 1), st.floats(1, 1000))
def test_a_faster_vessel_never_gets_less(vessels, part: float, factor: float) -> None:
    paces, floors, caps = zip(*vessels, strict=True)
    total = sum(floors) + part * (sum(caps) - sum(floors))
    before = fill(total, paces, floors, caps)[0]
    assert fill(total, [paces[0] * factor, *paces[1:]], floors, caps)[0] >= before * (1 - 1e-9)


@given(vessels, st.floats(0, 1), st.floats(1e-3, 1e3))
def test_only_ratios_matter(vessels, part: float, scale: float) -> None:
    paces, floors, caps = zip(*vessels, strict=True)
    total = sum(floors) + part * (sum(caps) - sum(floors))
    scaled = fill(
        total * scale, [pace * scale for pace in paces], [each * scale for each in floors], [c * scale for c in caps]
    )
    expected = [amount * scale for amount in fill(total, paces, floors, caps)]
    assert scaled == pytest.approx(expected, rel=1e-6, abs=1e-9 * total * scale)
