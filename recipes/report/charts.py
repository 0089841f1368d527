"""Charts as inline SVG, drawn by pure functions: no script, no network, colours from the page's style sheet.

Every position is a percentage of the drawing and every text has a size in CSS pixels, so a chart fills whatever width
it gets and its labels stay readable on a phone. Classes starting with `c-` name a colour of the page.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Points = Sequence[tuple[float, float]]

# The plotting area in per cent of the drawing; the rest holds tick labels and axis names.
LEFT, RIGHT, TOP, BOTTOM = 11.0, 98.0, 12.0, 84.0
# Where the dots of a dot row lie, in per cent of its height.
ROW = 66
MOST_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a line chart."""

    points: Points
    colour: str
    style: Literal["line", "faint", "dots"] = "line"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of a stacked bar; `title` is shown by the browser on hover."""

    value: float
    colour: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A measured value on a dot row, with its confidence interval if there is one."""

    value: float
    colour: str
    title: str
    interval: tuple[float, float] | None = None


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers inside [low, high], at most `most` of them: steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        return [float(low)]
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = [size * factor for factor in (1, 2, 2.5, 5, 10, 20)]
    # A tick that rounding put just outside belongs to the range, here as where the step is chosen.
    ends = ((step, math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)) for step in steps)
    step, first, last = next(each for each in ends if each[2] - each[1] + 1 <= most)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_label(value: float) -> str:
    """A tick as short as it can be, with a true minus sign."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def finite(points: Points) -> list[tuple[float, float]]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if math.isfinite(y)]


def thinned(points: Points, most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most `most` points: the means of equal runs of steps."""
    size = math.ceil(len(points) / most) or 1
    runs = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """The centred moving average; near the ends the window shrinks evenly on both sides, so it shows no lag."""
    half = window // 2
    result = []
    for index, (x, _) in enumerate(points):
        reach = min(half, index, len(points) - 1 - index)
        around = points[index - reach : index + reach + 1]
        result.append((x, sum(y for _, y in around) / len(around)))
    return result


def line_chart(
    lines: Sequence[Line],
    *,
    label: str,
    unit: str,
    levels: Sequence[tuple[float, str]] = (),
    span: Sequence[float] = (),
) -> Markup:
    """Curves over optimizer steps.

    Args:
        lines: What to draw, back to front.
        label: What a screen reader says.
        unit: Of the vertical axis.
        levels: Horizontal reference lines with their names; the vertical axis reaches all of them.
        span: Values the vertical axis reaches besides.
    """
    points = [point for line in lines for point in finite(line.points)]
    if not points:
        return Markup("")
    heights = [y for _, y in points] + [level for level, _ in levels] + list(span)
    low, high = _padded(min(heights), max(heights))
    start, end = min(x for x, _ in points), max(x for x, _ in points)
    if start == end:
        start, end = start - 1, end + 1
    frame = _Frame(start=start, end=end, low=low, high=high)
    body = [_axes(frame, unit), *(_level(frame, *level) for level in levels)]
    body += [_dots(frame, line) for line in lines if line.style == "dots"]
    curves = Markup("").join(_curve(frame, line) for line in lines if line.style != "dots")
    body.append(
        Markup(
            '<svg x="{}%" y="{}%" width="{}%" height="{}%" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>'
        ).format(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, curves)
    )
    return _drawing("lines", label, Markup("").join(body))


def stacked_bar(segments: Sequence[Segment], whole: float, *, label: str) -> Markup:
    """One horizontal bar; a bar of length `whole` fills the width."""
    parts, left = [], 0.0
    for segment in segments:
        width = 100 * segment.value / whole if whole else 0.0
        parts.append(
            Markup('<rect class="{}" x="{:.2f}%" y="0" width="{:.2f}%" height="100%"><title>{}</title></rect>').format(
                segment.colour, left, width, segment.title
            )
        )
        left += width
    return _drawing("bar", label, Markup("").join(parts))


def dot_row(
    marks: Sequence[Mark], low: float, high: float, *, label: str, joined: bool = True, zero: bool = False
) -> Markup:
    """Values of one row on a shared scale.

    Args:
        marks: What to draw.
        low: Left end of the scale.
        high: Right end.
        label: What a screen reader says.
        joined: Whether the first is joined to the last and numbers stand above, outside.
        zero: Whether a line marks zero.
    """
    place = _scale(low, high)
    parts = [_rule(place(tick)) for tick in ticks(low, high)]
    if zero:
        rule = Markup('<line class="level" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>')
        parts.append(rule.format(x=place(0.0)))
    if joined and len(marks) > 1:
        join = Markup('<line class="join" x1="{:.2f}%" x2="{:.2f}%" y1="{y}%" y2="{y}%"/>')
        parts.append(join.format(place(marks[0].value), place(marks[-1].value), y=ROW))
    parts += [_interval(mark, place) for mark in marks]
    parts += [_dot(mark, place(mark.value)) for mark in marks]
    ordered = sorted(marks, key=lambda mark: mark.value) if joined else []
    parts += [_number(mark, place(mark.value), leftmost=mark is ordered[0]) for mark in ordered]
    return _drawing("dots", label, Markup("").join(parts))


def dot_axis(low: float, high: float) -> Markup:
    """The scale under a column of dot rows."""
    place = _scale(low, high)
    labels = [
        Markup('<text x="{:.2f}%" y="14" text-anchor="middle">{}</text>').format(place(tick), tick_label(tick))
        for tick in ticks(low, high)
    ]
    return _drawing("axis", "scale", Markup("").join(labels))


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The data range of a line chart and where it lies in the drawing."""

    start: float
    end: float
    low: float
    high: float

    def across(self, x: float) -> float:
        """Fraction of the plot's width."""
        return (x - self.start) / (self.end - self.start)

    def up(self, y: float) -> float:
        """Fraction of the plot's height, from the bottom."""
        return (y - self.low) / (self.high - self.low)

    def x(self, x: float) -> float:
        """Per cent of the drawing's width."""
        return LEFT + (RIGHT - LEFT) * self.across(x)

    def y(self, y: float) -> float:
        """Per cent of the drawing's height."""
        return BOTTOM - (BOTTOM - TOP) * self.up(y)


def _axes(frame: _Frame, unit: str) -> Markup:
    """Grid, tick labels and axis names; steps are whole numbers."""
    rule = Markup('<line class="grid" x1="{}%" x2="{}%" y1="{y:.2f}%" y2="{y:.2f}%"/>')
    height = Markup('<text x="{}%" y="{:.2f}%" dy="4" text-anchor="end">{}</text>')
    step = Markup('<text x="{:.2f}%" y="{}%" dy="16" text-anchor="middle">{}</text>')
    heights = ticks(frame.low, frame.high)
    steps = [tick for tick in ticks(frame.start, frame.end, 6) if tick.is_integer()]
    return Markup("").join(
        [
            Markup('<text class="unit" x="0" y="11">{}</text>').format(unit),
            *(rule.format(LEFT, RIGHT, y=frame.y(tick)) for tick in heights),
            *(height.format(LEFT - 1.5, frame.y(tick), tick_label(tick)) for tick in heights),
            *(step.format(frame.x(tick), BOTTOM, tick_label(tick)) for tick in steps),
            Markup('<text class="unit" x="{}%" y="100%" dy="-3" text-anchor="end">step</text>').format(RIGHT),
        ]
    )


def _level(frame: _Frame, level: float, name: str) -> Markup:
    return Markup(
        '<line class="level" x1="{}%" x2="{}%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
        '<text class="level" x="{}%" y="{y:.2f}%" dy="-5" text-anchor="end">{}</text>'
    ).format(LEFT, RIGHT, RIGHT, name, y=frame.y(level))


def _curve(frame: _Frame, line: Line) -> Markup:
    """In the inner drawing of 1000 by 1000 units, whose strokes do not stretch."""
    coordinates = " ".join(
        f"{1000 * frame.across(x):.1f},{1000 * (1 - frame.up(y)):.1f}" for x, y in thinned(finite(line.points))
    )
    return Markup('<polyline class="{} {}" points="{}"/>').format(line.style, line.colour, coordinates)


def _dots(frame: _Frame, line: Line) -> Markup:
    dot = Markup('<circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="3.5"><title>step {:.0f}: {:.4g}</title></circle>')
    return Markup("").join(dot.format(line.colour, frame.x(x), frame.y(y), x, y) for x, y in finite(line.points))


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range with air around it, also where all values are equal."""
    air = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - air, high + air


def _scale(low: float, high: float) -> Callable[[float], float]:
    return lambda value: 100 * (value - low) / (high - low)


def _interval(mark: Mark, place: Callable[[float], float]) -> Markup:
    if mark.interval is None:
        return Markup("")
    ends = [place(end) for end in mark.interval]
    line = Markup('<line class="interval {}" x1="{:.2f}%" x2="{:.2f}%" y1="{y}%" y2="{y}%"/>')
    return line.format(mark.colour, *ends, y=ROW)


def _dot(mark: Mark, x: float) -> Markup:
    dot = Markup('<circle class="{}" cx="{:.2f}%" cy="{}%" r="6"><title>{}</title></circle>')
    return dot.format(mark.colour, x, ROW, mark.title)


def _number(mark: Mark, x: float, *, leftmost: bool) -> Markup:
    shift, anchor = (-2, "end") if leftmost else (2, "start")
    number = Markup('<text x="{:.2f}%" y="{}%" dx="{}" dy="-11" text-anchor="{}">{:.2f}</text>')
    return number.format(x, ROW, shift, anchor, mark.value)


def _rule(x: float) -> Markup:
    return Markup('<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>').format(x=x)


def _drawing(kind: str, label: str, body: Markup) -> Markup:
    return Markup('<svg class="chart {}" role="img" aria-label="{}">{}</svg>').format(kind, label, body)
