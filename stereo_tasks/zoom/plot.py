"""What matplotlib draws as a plot of bokeh: lines, points, errors, steps, bands, limits.

One drawing gives the picture and the plot. Titles and annotations are left out: the page says what a plot is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import (
    BoxAnnotation,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    Legend,
    LegendItem,
    NoOverlap,
    Range1d,
    Span,
)
from bokeh.plotting import figure as new_plot
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Transform

_DASHES = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dashdot"}
_MARKERS = {"o": "circle", ".": "circle", "s": "square"}
_LIMIT = "inverted_triangle"
"""All other markers: the carets of upper limits."""
_TOOLS = "box_zoom,pan,wheel_zoom,reset"
_PX_PER_IN = 90
_SHORT_DECADES = 2
_SMALLEST = 1e-3
"""Of the lower end of a logarithmic axis: there end errors that reach to zero."""


def plot_of(figure: Figure) -> LayoutDOM:
    """Return the plot of a figure, as wide as the page; plots one below the other where it has several axes.

    Raises
    ------
    TypeError
        If something is drawn that no plot is known of.
    """
    plots: dict[Axes, Any] = {}
    for axes in figure.axes:
        shared = [plot for other, plot in plots.items() if axes.get_shared_x_axes().joined(axes, other)]
        height = round(figure.get_figheight() * _PX_PER_IN / len(figure.axes))
        plots[axes] = _plot(axes, height, shared[0].x_range if shared else Range1d(*map(float, axes.get_xlim())))
    return gridplot([[plot] for plot in plots.values()], sizing_mode="stretch_width", toolbar_options={"logo": None})


def _plot(axes: Axes, height: int, x_range: Range1d) -> Any:
    plot = new_plot(
        height=height, sizing_mode="stretch_width", x_range=x_range, y_range=Range1d(*map(float, axes.get_ylim())),
        x_axis_type=axes.get_xscale(), y_axis_type=axes.get_yscale(), x_axis_label=axes.get_xlabel(),
        y_axis_label=axes.get_ylabel(), tools=_TOOLS, active_drag="box_zoom", active_scroll=None,
        background_fill_color=None, border_fill_color=None, outline_line_color=None, lod_threshold=None,
    )  # fmt: skip
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_policy = NoOverlap()
    plot.axis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_alpha = 0.4
    for axis, own in ((plot.xaxis, axes.xaxis), (plot.yaxis, axes.yaxis)):
        _set_ticks(axis, own)
    drawn = {id(artist): _draw(plot, axes, artist) for artist in sorted(axes.get_children(), key=Artist.get_zorder)}
    points = [glyph for one in drawn.values() for glyph in one if glyph.name == "points"]
    tooltips = [(axes.get_xlabel() or "x", "@x"), (axes.get_ylabel() or "y", "@y")]
    plot.add_tools(HoverTool(renderers=points, tooltips=tooltips))
    if axes.get_legend() is not None:
        plot.add_layout(_legend(axes, drawn))
    return plot


def _legend(axes: Axes, drawn: dict[int, list[Any]]) -> Legend:
    items = []
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        parts = handle.get_children() if isinstance(handle, Container) else [handle]
        glyphs = [glyph for part in parts for glyph in drawn.get(id(part), [])]
        items += [LegendItem(label=label, renderers=glyphs)] if glyphs else []
    return Legend(items=items, location="top_right", click_policy="hide", background_fill_alpha=0, border_line_alpha=0)


def _set_ticks(axis: Any, own: Axis) -> None:
    """Keep ticks that were set by hand, with their names; and give those of short logarithmic axes."""
    locator = own.get_major_locator()
    if isinstance(locator, FixedLocator):
        places = [float(place) for place in locator.locs]
        names = own.get_major_formatter().format_ticks(places)
        axis.ticker = FixedTicker(ticks=places)
        axis.major_label_overrides = dict(zip(places, names, strict=True))
    elif own.get_scale() == "log":
        first, last = (math.floor(math.log10(end)) for end in own.get_view_interval())
        if last - first <= _SHORT_DECADES:  # where BokehJS takes equal distances, which leave the lower decades empty
            places = [float(f"{mantissa}e{power}") for power in range(first - 1, last + 2) for mantissa in (1, 2, 5)]
            axis.ticker = FixedTicker(ticks=places)
            axis.major_label_overrides = {place: f"{place:g}" for place in places}


def _draw(plot: Any, axes: Axes, artist: Artist) -> list[Any]:
    """Draw one thing, and return what the legend may show of it."""
    if artist is axes.patch or not artist.get_visible():
        return []
    for kind, draw in _KINDS.items():
        if isinstance(artist, kind):
            return list(draw(plot, axes, artist))
    if type(artist).__module__ in _OURS_TO_DRAW:
        raise TypeError(f"no plot is known of a {type(artist).__name__}: draw something else, or teach {__name__} to")
    return []  # spines, axes, texts and legends: bokeh has its own


def _draw_line(plot: Any, axes: Axes, line: Line2D) -> list[Any]:
    x, y = (np.asarray(values, dtype=float) for values in line.get_data(orig=False))
    in_x, in_y = _in_data(axes, line.get_transform())
    stroke = {"line_color": to_hex(line.get_color()), "line_alpha": _alpha(line.get_color(), line), "line_width": 1.5}
    dash = _DASHES.get(line.get_linestyle())
    if not (in_x and in_y):  # a limit, from edge to edge
        place, dimension = (x[0], "height") if in_x else (y[0], "width")
        limit = Span(location=float(place), dimension=dimension, line_dash=dash or "solid", **stroke)
        plot.add_layout(limit)
        # A Span is no glyph, and a legend shows glyphs only.
        return [plot.line([None, None], [None, None], line_dash=dash or "solid", **stroke)]
    if not len(x):
        return []
    glyphs = []
    if dash:
        glyphs.append(plot.line(_listed(x), _listed(y), line_dash=dash, **stroke))
    if line.get_marker() not in (None, "None", "", " "):
        inside = line.get_markerfacecolor()
        empty = isinstance(inside, str) and inside == "none"
        glyphs.append(
            plot.scatter(
                _listed(x), _listed(y), marker=_MARKERS.get(line.get_marker(), _LIMIT), name="points",
                size=1.4 * line.get_markersize(),
                line_color=stroke["line_color"], fill_color=None if empty else to_hex(inside),
            )
        )  # fmt: skip
    return glyphs


def _draw_errors(plot: Any, axes: Axes, lines: LineCollection) -> list[Any]:
    segments = [np.asarray(one, dtype=float) for one in lines.get_segments() if len(one) and np.isfinite(one).all()]
    if not segments:
        return []
    if axes.get_yscale() == "log":
        lowest = axes.get_ylim()[0] * _SMALLEST
        segments = [np.column_stack((one[:, 0], np.maximum(one[:, 1], lowest))) for one in segments]
    xs, ys = ([_listed(segment[:, number]) for segment in segments] for number in (0, 1))
    (colour, *_) = lines.get_colors()
    return [plot.multi_line(xs, ys, line_color=to_hex(colour), line_alpha=_alpha(colour, lines), line_width=1.3)]


def _draw_area(plot: Any, axes: Axes, area: PolyCollection) -> list[Any]:
    (colour, *_) = area.get_facecolor()
    corners = [path.vertices for path in area.get_paths()]
    xs, ys = ([_listed(one[:, number]) for one in corners] for number in (0, 1))
    return [plot.patches(xs, ys, fill_color=to_hex(colour), fill_alpha=_alpha(colour, area), line_color=None)]


def _draw_steps(plot: Any, axes: Axes, steps: StepPatch) -> list[Any]:
    values, edges, base = steps.get_data()
    colour = steps.get_facecolor()
    return [
        plot.quad(
            left=_listed(edges[:-1]), right=_listed(edges[1:]), bottom=float(np.max(base or 0.0)), top=_listed(values),
            fill_color=to_hex(colour), fill_alpha=_alpha(colour, steps), line_color=None,
        )
    ]  # fmt: skip


def _draw_band(plot: Any, axes: Axes, band: Rectangle) -> list[Any]:
    in_x, in_y = _in_data(axes, band.get_data_transform())
    if in_x and in_y:
        raise TypeError(f"no plot is known of a single Rectangle: {__name__} knows bands from edge to edge")
    low, high = (band.get_x(), band.get_x() + band.get_width()) if in_x else (
        band.get_y(), band.get_y() + band.get_height())  # fmt: skip
    ends = dict(zip(("left", "right") if in_x else ("bottom", "top"), map(float, (low, high)), strict=True))
    colour = band.get_facecolor()
    plot.add_layout(
        BoxAnnotation(
            fill_color=to_hex(colour), fill_alpha=_alpha(colour, band), line_color=None, level="underlay", **ends
        )
    )
    return []


_KINDS: dict[type, Any] = {
    Line2D: _draw_line, LineCollection: _draw_errors, PolyCollection: _draw_area, StepPatch: _draw_steps,
    Rectangle: _draw_band,
}  # fmt: skip
_OURS_TO_DRAW = {"matplotlib.lines", "matplotlib.collections", "matplotlib.patches", "matplotlib.image"}


def _in_data(axes: Axes, transform: Transform) -> tuple[bool, bool]:
    """Return whether x and y are data; otherwise they are fractions of the plot, from edge to edge."""
    return transform != axes.get_yaxis_transform(), transform != axes.get_xaxis_transform()


def _alpha(colour: Any, artist: Artist) -> float:
    return float(to_rgba(colour)[3] if artist.get_alpha() is None else artist.get_alpha())


def _listed(values: Any) -> list[float | None]:
    """Return numbers as JSON has them: a gap for what is not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]
