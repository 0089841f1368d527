"""Pictures as inline SVG: no script, no network, colours from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

LEFT, RIGHT, TOP, BOTTOM = 9.0, 98.0, 10.0, 86.0
"""The plotting area in per cent of the drawing."""


def histogram(
    edges: Sequence[float], shares: Mapping[str, Sequence[float]], threshold: float | None, colours: Mapping[str, str]
) -> Markup:
    """Shares of documents by perplexity, one stepped line a series, over a logarithmic axis."""
    used = [place for series in shares.values() for place, share in enumerate(series) if share]
    if not used:
        return Markup("")
    first, last = max(0, min(used) - 1), min(len(edges) - 1, max(used) + 2)
    low, high = math.log(edges[first]), math.log(edges[last])
    top = max(max(series) for series in shares.values())

    def across(value: float) -> float:
        return (math.log(value) - low) / (high - low)

    body = [_rule(across(tick), f"{tick:,}") for tick in _ticks(edges[first], edges[last])]
    body += [_height(fraction, 100 * top * fraction) for fraction in (0.0, 0.5, 1.0)]
    lines = Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(colours[name], _steps(series, edges, first, last, top))
        for name, series in shares.items()
    )
    body.append(
        Markup(
            '<svg x="{}%" y="{}%" width="{}%" height="{}%" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>'
        ).format(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, lines)
    )
    if threshold is not None and edges[first] <= threshold <= edges[last]:
        body.append(_cut(across(threshold), threshold))
    label = "Share of documents by perplexity"
    return Markup('<svg class="chart" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(body))


def bar(parts: Sequence[tuple[str, float, str]], whole: float) -> Markup:
    """One horizontal bar of (colour, value, title); a bar of length `whole` fills the width."""
    rects, left = [], 0.0
    rect = Markup('<rect class="{}" x="{:.2f}%" y="0" width="{:.2f}%" height="100%"><title>{}</title></rect>')
    for colour, value, title in parts:
        width = 100 * value / whole if whole else 0.0
        rects.append(rect.format(colour, left, width, title))
        left += width
    label = ", ".join(title for _, _, title in parts)
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(rects))


def _x(fraction: float) -> float:
    return LEFT + (RIGHT - LEFT) * fraction


def _ticks(low: float, high: float) -> list[int]:
    """Round numbers between two values: 1, 2 and 5 times the powers of ten, in a short range more of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high > 10 * low else (1, 2, 3, 4, 5, 6, 8)
    ticks = [factor * 10**decade for decade in decades if decade >= 0 for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _steps(series: Sequence[float], edges: Sequence[float], first: int, last: int, top: float) -> str:
    """A stepped line in the inner drawing of 1000 by 1000 units."""
    low, high = math.log(edges[first]), math.log(edges[last])
    x = [1000 * (math.log(edge) - low) / (high - low) for edge in edges[first : last + 1]]
    y = [1000 * (1 - share / top) for share in series[first:last]]
    points = [(x[0], 1000.0)]
    for place, height in enumerate(y):
        points += [(x[place], height), (x[place + 1], height)]
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in [*points, (x[-1], 1000.0)])


def _rule(fraction: float, name: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{}%" y2="{y}%"/>'
        '<text x="{x:.2f}%" y="{y}%" dy="16" text-anchor="middle">{name}</text>'
    ).format(TOP, x=_x(fraction), y=BOTTOM, name=name)


def _height(fraction: float, percent: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{}%" x2="{}%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
        '<text x="{}%" y="{y:.2f}%" dy="4" text-anchor="end">{:.3g}&nbsp;%</text>'
    ).format(LEFT, RIGHT, LEFT - 1, percent, y=BOTTOM - (BOTTOM - TOP) * fraction)


def _cut(fraction: float, threshold: float) -> Markup:
    anchor, shift = ("end", -6) if fraction > 0.6 else ("start", 6)
    return Markup(
        '<line class="cut" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{}%"/>'
        '<text class="cut" x="{x:.2f}%" y="11" dx="{}" text-anchor="{}">dropped above {:.4g}</text>'
    ).format(BOTTOM, shift, anchor, threshold, x=_x(fraction))
