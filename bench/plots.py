"""Plots as SVG text, so that a page needs nothing from elsewhere: lines over a scaled axis, and bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

Point = tuple[float, float]
Scale = Callable[[float], float]
"""Of a value to its place between 0 and 1."""

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 16, 44
COLOURS = {
    "edgeproxy": "#0b6e4f", "nginx": "#1f77b4", "haproxy": "#d1495b", "caddy": "#8d6a9f", "envoy": "#e08e1b",
    "aiohttp": "#777777", "nginx-128k": "#7fb6dd", "haproxy-128k": "#eba0aa", "varnish": "#2a9d8f",
    "chp": "#6b8e23",
}  # fmt: skip


def logarithmic(low: float, high: float) -> Scale:
    span = math.log(high / low) or 1.0
    return lambda value: math.log(max(value, low) / low) / span


def linear(low: float, high: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: (value - low) / span


def tail(share: float) -> float:
    """Percentiles as an HDR plot has them: each nine is as far as the one before."""
    return min(1.0, math.log10(100 / (100 - min(share, 99.999))) / 5)


def lines(
    title: str, across: str, up: str, series: Mapping[str, Sequence[Point]], ticks: Mapping[float, str], scale: Scale
) -> str:
    """One line a name; `ticks` are values of the axis across and what to write there. The axis up is logarithmic."""
    values = [y for points in series.values() for _, y in points if y > 0]
    if not values:
        return ""
    low, high = _decades(min(values), max(values))
    height = logarithmic(low, high)
    drawn = [_axes(title, across, up), *_across(ticks, scale), *_up(low, high, height)]
    for number, (name, points) in enumerate(series.items()):
        places = [(_x(scale(x)), _y(height(y))) for x, y in points if y > 0]
        drawn.append(_line(name, places, number))
    return _svg(title, drawn)


def bars(title: str, up: str, values: Mapping[str, tuple[float, float, float]]) -> str:
    """One bar a name, with the interval (value, low, high) as a whisker."""
    top = max((high for _, _, high in values.values()), default=0.0)
    if top <= 0:
        return ""
    height, step = linear(0, top * 1.05), (WIDTH - LEFT - RIGHT) / len(values)
    parts = (0, 0.25, 0.5, 0.75, 1)
    drawn = [_axes(title, "", up), *(_tick_up(f"{top * part:.3g}", _y(height(top * part))) for part in parts)]
    for number, (name, (value, low, high)) in enumerate(values.items()):
        x, y, middle = LEFT + step * (number + 0.15), _y(height(value)), LEFT + step * (number + 0.5)
        drawn.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" height="{_y(0) - y:.1f}" fill="{_colour(name)}">'
            f"<title>{escape(name)}: {value:.3g} [{low:.3g}..{high:.3g}]</title></rect>"
            f'<path d="M{middle:.1f} {_y(height(low)):.1f}V{_y(height(high)):.1f}" class="whisker"/>'
            f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(name)}</text>'
            f'<text x="{middle:.1f}" y="{y - 4:.1f}" text-anchor="middle">{value:.3g}</text>'
        )
    return _svg(title, drawn)


def _decades(low: float, high: float) -> tuple[float, float]:
    """Rounded to 1, 2 or 5 times a power of ten, so that ticks are where people look."""
    return _rounded(low, up=False), _rounded(high * 1.0001, up=True)


def _rounded(value: float, up: bool) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    steps = [power * step for step in (1, 2, 5, 10)]
    return next(step for step in steps if step >= value) if up else max(step for step in steps if step <= value)


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP)


def _axes(title: str, across: str, up: str) -> str:
    return (
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" class="axis"/>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text>"
    )


def _across(ticks: Mapping[float, str], scale: Scale) -> list[str]:
    return [
        f'<text x="{_x(scale(value)):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>'
        for value, label in ticks.items()
    ]


def _up(low: float, high: float, height: Scale) -> list[str]:
    drawn, value = [], low
    while value <= high * 1.001:
        drawn.append(_tick_up(f"{value:,.0f}" if value >= 1000 else f"{value:.3g}", _y(height(value))))
        value = _rounded(value * 1.5, up=True)
    return drawn


def _tick_up(label: str, y: float) -> str:
    return (
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>'
    )


def _line(name: str, places: Sequence[Point], number: int) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{_colour(name)}"/>' for x, y in places)
    y = TOP + 12 + 18 * number
    return (
        f'<path d="{path}" fill="none" stroke="{_colour(name)}" stroke-width="2"/>{dots}'
        f'<text x="{WIDTH - RIGHT + 12}" y="{y}" fill="{_colour(name)}">{escape(name)}</text>'
    )


def _colour(name: str) -> str:
    return COLOURS.get(name, "#333333")


def _svg(title: str, drawn: Sequence[str]) -> str:
    inside = "".join(drawn)
    label = escape(title, quote=True)
    picture = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>"
