"""A plot with logarithmic axes as SVG, written by hand: not worth a dependency."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 130
COLOURS = ("#1f6fb4", "#2c8f3c", "#c2571a", "#7a4fb3")


class Curve(NamedTuple):
    """Points that belong together."""

    name: str
    points: Sequence[tuple[float, float]]


class _Axis(NamedTuple):
    """Whole decades between two edges of the picture."""

    lowest: int
    highest: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        lowest, highest = floor(log10(min(values))), ceil(log10(max(values)))
        return cls(lowest, max(highest, lowest + 1), start, end)

    def at(self, value: float) -> float:
        share = (log10(value) - self.lowest) / (self.highest - self.lowest)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> Sequence[float]:
        return [10.0**power for power in range(self.lowest, self.highest + 1)]


def plot(title: str, across: str, up: str, curves: Sequence[Curve]) -> str:
    """The picture."""
    xs = [x for curve in curves for x, _y in curve.points]
    ys = [y for curve in curves for _x, y in curve.points]
    x_axis = _Axis.over(xs, LEFT, WIDTH - RIGHT)
    y_axis = _Axis.over(ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 22, title, "middle", 'font-size="15"'),
        _text(WIDTH / 2, HEIGHT - BOTTOM + 36, across, "middle"),
        _text(12, TOP - 12, up, "start"),
    ]
    for x in x_axis.ticks:
        at = x_axis.at(x)
        parts.append(_line(at, TOP, at, HEIGHT - BOTTOM, "#dddddd"))
        parts.append(_text(at, HEIGHT - BOTTOM + 18, f"{x:,.0f}", "middle"))
    for y in y_axis.ticks:
        at = y_axis.at(y)
        parts.append(_line(LEFT, at, WIDTH - RIGHT, at, "#dddddd"))
        parts.append(_text(LEFT - 8, at + 4, f"{y:,g}", "end"))
    for number, curve in enumerate(curves):
        parts += _curve(curve, number, x_axis, y_axis)
    return "\n".join([*parts, "</svg>", ""])


def _curve(curve: Curve, number: int, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    places = [(x_axis.at(x), y_axis.at(y)) for x, y in curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    legend = HEIGHT - BOTTOM + 58 + 20 * number
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places),
        *(
            _text(x, y - 9, f"{value:.3g}", "middle")
            for (x, y), (_x, value) in zip(places, curve.points, strict=True)
        ),
        _line(LEFT, legend - 4, LEFT + 24, legend - 4, colour, 2),
        _text(LEFT + 32, legend, curve.name, "start"),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
