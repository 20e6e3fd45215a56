"""A plot of a trend as SVG, drawn here: the page needs no script, and prints as it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

if TYPE_CHECKING:
    from stereo_tasks.nights import Night
    from stereo_tasks.status.trends import Point, Trend

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 380, 64, 12, 34, 30
_COLOURS = {"good": "var(--green)", "warning": "var(--amber)", "bad": "var(--red)"}
_OTHER = "var(--blue)"
_SHAPES = {"good": "circle", "warning": "triangle", "bad": "square"}
MOST_LINKS = 800
"""With more points than this they are one shape without links: the page stays small."""


class _Axes:
    """From nights and values to places in the picture."""

    def __init__(self, first: Night, last: Night, values: list[float]) -> None:
        self.first, self.days = first.evening, max((last.evening - first.evening).days, 1)
        low, high = min(values, default=0.0), max(values, default=1.0)
        margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - margin, high + margin

    def x(self, night: dt.date, part: float = 0.5) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((night - self.first).days + part) / (self.days + 1)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - min(max(value, self.low), self.high)) / (
            self.high - self.low
        )


def draw_trend(trend: Trend, first: Night, last: Night, night_address: str) -> Markup:
    """Return a trend as an SVG element.

    Parameters
    ----------
    trend : Trend
        What is drawn.
    first, last : Night
        The range of the time axis.
    night_address : str
        Address of a page of a night, without the night.
    """
    # Limits far from all points would press these into a line: they are cut off at the edge.
    axes = _Axes(first, last, [point.value for point in trend.points])
    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            _WIDTH, _HEIGHT, f"{trend.metric} from {first} to {last}, {len(trend.points)} points"
        ),
        *_limits(trend, axes),
        *_ticks(axes),
        *_marks(trend, axes),
        *_points(trend.points, axes, night_address, trend.unit),
        Markup("</svg>"),
    ]
    return Markup("\n").join(parts)


def _limits(trend: Trend, axes: _Axes) -> Iterator[Markup]:
    for limit in trend.limits:
        left, right = axes.x(limit.first.evening, 0), axes.x(limit.last.evening, 1)
        top = axes.y(axes.high if limit.high is None else limit.high)
        bottom = axes.y(axes.low if limit.low is None else limit.low)
        yield Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="var(--green-ground)"/>').format(
            left, top, right - left, max(bottom - top, 0)
        )
        for edge in (limit.low, limit.high):
            if edge is not None and axes.low < edge < axes.high:
                yield _line(left, axes.y(edge), right, axes.y(edge), "var(--green)", dashed=True)


def _ticks(axes: _Axes) -> Iterator[Markup]:
    yield _line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "var(--soft)")
    yield _line(_LEFT, _TOP, _LEFT, _HEIGHT - _BOTTOM, "var(--soft)")
    for number in range(5):
        value = axes.low + (axes.high - axes.low) * number / 4
        yield _text(_LEFT - 6, axes.y(value) + 4, f"{value:.3g}", "end")
    for number in range(6):
        day = axes.first + dt.timedelta(days=round(axes.days * number / 5))
        yield _text(axes.x(day), _HEIGHT - 10, day.isoformat(), "end" if number == 5 else "middle")


def _marks(trend: Trend, axes: _Axes) -> Iterator[Markup]:
    for number, mark in enumerate(trend.marks):
        x = axes.x(mark.night.evening, 0)
        yield _line(x, _TOP, x, _HEIGHT - _BOTTOM, "var(--violet)", dashed=True)
        anchor = "end" if x > _WIDTH / 2 else "start"
        yield _text(x, 12 + 13 * (number % 2), f"{mark.night}: {mark.text}", anchor, "var(--violet)")


def _points(points: Iterable[Point], axes: _Axes, night_address: str, unit: str) -> Iterator[Markup]:
    by_level: dict[str, list[Point]] = {}
    for point in points:
        by_level.setdefault(point.level, []).append(point)
    linked = sum(map(len, by_level.values())) <= MOST_LINKS
    for level, found in by_level.items():
        colour = _COLOURS.get(level, _OTHER)
        if not linked:
            path = "".join(f"M{axes.x(one.night.evening):.1f} {axes.y(one.value):.1f}h0" for one in found)
            yield Markup('<path d="{}" stroke="{}" stroke-width="4" stroke-linecap="round"/>').format(path, colour)
            continue
        for one in found:
            place = f"{one.night} {one.source}{f' run {one.run}' if one.run else ''}"
            title = f"{place}: {one.value:.4g} {unit} {one.level}".strip()
            yield Markup('<a href="{}"><title>{}</title>{}</a>').format(
                night_address + quote(one.night.lst_date), title, _shape(axes, one, colour)
            )


def _shape(axes: _Axes, point: Point, colour: str) -> Markup:
    x, y, shape = axes.x(point.night.evening), axes.y(point.value), _SHAPES.get(point.level, "circle")
    # Not everybody sees the colours.
    if shape == "square":
        return Markup('<rect x="{:.1f}" y="{:.1f}" width="7" height="7" fill="{}"/>').format(x - 3.5, y - 3.5, colour)
    if shape == "triangle":
        return Markup('<path d="M{:.1f} {:.1f}l4.5 8h-9z" fill="{}"/>').format(x, y - 5, colour)
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.2" fill="{}"/>').format(x, y, colour)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> Markup:
    return Markup('<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="{}" fill="none"{}/>').format(
        x1, y1, x2, y2, colour, Markup(' stroke-dasharray="5 4"') if dashed else ""
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "var(--soft)") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}" font-size="12">{}</text>').format(
        x, y, anchor, colour, text
    )
