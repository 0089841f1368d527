"""Charts put every value where it belongs and escape what they are given."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipes.report import charts
from recipes.report.charts import BOTTOM, LEFT, RIGHT, TOP, Line, Mark, Segment


def elements(svg: str, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(str(svg)).iter(tag))


def texts(svg: str) -> list[str]:
    return [element.text for element in elements(svg, "text")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (1, 200, [50, 100, 150, 200]),
        (4.05, 6.2, [4.5, 5, 5.5, 6]),
        (-3.2, 1.4, [-3, -2, -1, 0, 1]),
        (0.27, 0.72, [0.3, 0.4, 0.5, 0.6, 0.7]),
        (7, 7, [7]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert charts.ticks(low, high) == pytest.approx(expected)


@example(1.9e-177, 0.6)  # seven steps of 0.1, the first a rounding below the range
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_inside_and_are_few(low, size):
    found = charts.ticks(low, low + size)
    assert len(found) <= 6
    assert all(low - size * 1e-6 <= tick <= low + size * (1 + 1e-6) for tick in found)
    assert found == sorted(found)


def test_tick_labels_have_a_true_minus_sign():
    assert [charts.tick_label(value) for value in (-0.5, 0.0, 2.0, 1500.0)] == ["−0.5", "0", "2", "1,500"]


def test_thinning_keeps_the_mean_of_each_run_of_steps():
    assert charts.thinned([(1, 10.0), (2, 20.0), (3, 30.0), (4, 40.0)], most=2) == [(1.5, 15.0), (3.5, 35.0)]
    assert charts.thinned([(1, 1.0)]) == [(1, 1.0)]
    assert charts.thinned([]) == []
    assert len(charts.thinned([(step, 0.0) for step in range(100_001)])) <= charts.MOST_POINTS


def test_smoothing_is_a_centred_mean_that_keeps_both_ends():
    points = [(1, 0.0), (2, 3.0), (3, 9.0), (4, 6.0)]
    assert charts.smoothed(points, 3) == [(1, 0.0), (2, 4.0), (3, 6.0), (4, 6.0)]
    assert charts.smoothed(points, 1) == points


def test_a_line_chart_spans_its_data():
    svg = charts.line_chart([Line(points=[(1, 8.0), (300, 4.0)], colour="c-cpt")], label="loss", unit="nats")
    (polyline,) = elements(svg, "polyline")
    (x1, y1), (x2, y2) = (map(float, pair.split(",")) for pair in polyline.get("points").split())
    assert (x1, x2) == (0, 1000)
    assert 0 < y1 < y2 < 1000
    assert polyline.get("class") == "line c-cpt"
    assert texts(svg)[0] == "nats"
    assert texts(svg)[-1] == "step"
    assert {"100", "200", "300"} <= set(texts(svg))


def test_dots_are_placed_in_the_plotting_area():
    line = Line(points=[(0, 0.0), (10, 1.0)], colour="c-sft", style="dots")
    svg = charts.line_chart([line], label="validation", unit="share", levels=[(0.5, "chance")])
    first, last = [(float(dot.get("cx")[:-1]), float(dot.get("cy")[:-1])) for dot in elements(svg, "circle")]
    assert (first[0], last[0]) == (LEFT, RIGHT)
    assert TOP < last[1] < first[1] < BOTTOM
    level = next(line for line in elements(svg, "line") if line.get("class") == "level")
    assert float(level.get("y1")[:-1]) == pytest.approx((first[1] + last[1]) / 2, abs=0.01)
    assert "chance" in texts(svg)


def test_one_step_and_equal_values_can_be_drawn():
    assert charts.line_chart([Line(points=[(1, 0.0)], colour="c-dpo", style="dots")], label="one", unit="nats")
    assert "nan" not in charts.line_chart([Line(points=[(1, 2.0), (2, 2.0)], colour="c-dpo")], label="flat", unit="n")


def test_values_that_are_not_finite_are_not_drawn():
    points = [(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)]
    svg = charts.line_chart([Line(points=points, colour="c-cpt")], label="loss", unit="nats")
    assert len(elements(svg, "polyline")[0].get("points").split()) == 2
    assert not re.search(r"nan|inf", svg)


def test_without_points_there_is_no_chart():
    assert charts.line_chart([Line(points=[], colour="c-cpt")], label="loss", unit="nats") == ""


def test_a_stacked_bar_adds_up():
    segments = [
        Segment(value=30, colour="c-real", title="real: 30"),
        Segment(value=10, colour="c-translated", title="translated: 10"),
    ]
    rects = elements(charts.stacked_bar(segments, 80, label="Hindi"), "rect")
    assert [(rect.get("x"), rect.get("width")) for rect in rects] == [("0.00%", "37.50%"), ("37.50%", "12.50%")]
    assert charts.stacked_bar([Segment(value=0, colour="c-real", title="")], 0, label="empty")


def test_a_dot_row_shows_before_after_and_intervals():
    marks = [
        Mark(value=3.0, colour="c-base", title="base", interval=(2.9, 3.1)),
        Mark(value=2.0, colour="c-cpt", title="cpt"),
    ]
    svg = charts.dot_row(marks, 1.0, 5.0, label="Hindi")
    assert [dot.get("cx") for dot in elements(svg, "circle")] == ["50.00%", "25.00%"]
    interval = next(line for line in elements(svg, "line") if line.get("class") == "interval c-base")
    assert (interval.get("x1"), interval.get("x2")) == ("47.50%", "52.50%")
    numbers = {text.text: text.get("text-anchor") for text in elements(svg, "text")}
    assert numbers == {"2.00": "end", "3.00": "start"}


def test_a_difference_stands_beside_a_line_at_zero_without_numbers():
    mark = Mark(value=-1.0, colour="c-cpt", title="cpt", interval=(-3.0, 1.0))
    svg = charts.dot_row([mark], -5.0, 5.0, label="difference", joined=False, zero=True)
    (level,) = [line for line in elements(svg, "line") if line.get("class") == "level"]
    assert level.get("x1") == "50.00%"
    assert not elements(svg, "text")


def test_rows_of_many_models_are_not_joined():
    marks = [Mark(value=value, colour="c-cpt", title="") for value in (1.0, 2.0, 3.0)]
    svg = charts.dot_row(marks, 0.0, 5.0, label="task", joined=False)
    assert len(elements(svg, "circle")) == 3
    assert not [line for line in elements(svg, "line") if line.get("class") == "join"]


def test_the_axis_of_dot_rows_has_the_same_scale():
    labels = elements(charts.dot_axis(1.0, 5.0), "text")
    assert [(label.text, label.get("x")) for label in labels][1] == ("2", "25.00%")


def test_names_are_escaped():
    hostile = '"><script>alert(1)</script>'
    svg = charts.stacked_bar([Segment(value=1, colour="c-real", title=hostile)], 1, label=hostile)
    assert "<script" not in svg
    assert elements(svg, "title")[0].text == hostile
