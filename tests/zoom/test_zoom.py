"""A figure gives a plot with the same data, ranges and names; nothing in it becomes markup."""

from __future__ import annotations

import json
import re

import matplotlib as mpl
import numpy as np
import pytest
from bokeh.models import BoxAnnotation, GlyphRenderer, Legend, Range1d, Span
from matplotlib.figure import Figure

from stereo_tasks.zoom.embed import plot_data, scripts
from stereo_tasks.zoom.plot import plot_of
from stereo_tasks.zoom.policy import BOKEH_SHA256, LOADER, digest, script_sources

EVIL = "</script><script>alert(1)</script><!-- & "


def figure(label: str = "flux") -> Figure:
    drawn = Figure()
    top, bottom = drawn.subplots(2, 1, sharex=True)
    top.errorbar(
        [1, 2, 3], [1e-11, 4e-12, 2e-12], [1e-12, 5e-12, 1e-12], fmt="o", uplims=[False, False, True], label=label
    )
    top.set(yscale="log", ylim=(1e-12, 1e-10), ylabel=label)
    top.axhline(5e-12, ls="--", color="red", label="limit")
    top.legend()
    bottom.axvspan(1.5, 2, color="gray")
    bottom.axvline(2.5)
    bottom.stairs([3, 5], [1, 2, 3], fill=True)
    bottom.fill_between([1, 2], [0, 1], [2, 3], alpha=0.2)
    bottom.plot([1, 2, 3], [1, np.nan, 3], "s:")
    bottom.set_xticks([1, 3], ["01622", "01623"])
    return drawn


def test_the_plot_has_what_the_figure_has():
    plot = plot_of(figure())
    points = [one for one in plot.select({"type": GlyphRenderer}) if one.name == "points"]
    assert {tuple(one.data_source.data["x"]) for one in points} >= {(1.0, 2.0, 3.0), (3.0,)}
    assert "inverted_triangle" in {one.glyph.marker for one in points}  # the arrow of the upper limit
    assert sorted((span.location, span.dimension) for span in plot.select({"type": Span})) == [
        (5e-12, "width"), (2.5, "height"),
    ]  # fmt: skip
    (band,) = plot.select({"type": BoxAnnotation, "left": 1.5})
    assert band.right == 2.0
    (legend,) = plot.select({"type": Legend})
    assert [item.label.value for item in legend.items] == ["limit", "flux"]
    ranges = {(one.start, one.end) for one in plot.select({"type": Range1d})}
    assert (1e-12, 1e-10) in ranges
    top, bottom = (row[0] for row in plot.children)
    assert top.x_range is bottom.x_range  # zoomed together
    assert bottom.xaxis[0].major_label_overrides == {1.0: "01622", 3.0: "01623"}
    assert top.yaxis[0].major_label_overrides[5e-12] == "5e-12"
    # An error that reaches below zero ends below the plot, not nowhere.
    (lows,) = (
        [min(ys) for ys in one.data_source.data["ys"]]
        for one in top.renderers
        if "ys" in one.data_source.data and one.data_source.data["xs"][0][0] == one.data_source.data["xs"][0][1]
    )
    assert 0 < min(lows) < 1e-12


def test_nothing_becomes_markup_and_equal_figures_give_equal_plots():
    data = plot_data(figure(EVIL))
    assert data == plot_data(figure(EVIL))
    inside = re.fullmatch(r'<script type="application/json">(.*)</script>', data, re.DOTALL)
    assert inside
    assert not re.search(r"[<>&]", inside[1])
    assert EVIL in json.dumps(json.loads(inside[1]))


def test_what_is_not_known_is_said():
    drawn = Figure()
    drawn.add_subplot().imshow([[1]])
    with pytest.raises(TypeError, match="no plot is known of a AxesImage"):
        plot_of(drawn)


def test_the_policy_allows_the_scripts_of_this_bokeh_and_no_others():
    bokeh, loader = re.findall(r"<script>(.*?)</script>", scripts(), re.DOTALL)
    assert digest(bokeh) == BOKEH_SHA256, "bokeh is another version: BOKEH_SHA256 is to be this"
    assert loader == LOADER.read_text()
    assert script_sources().count("sha256-") == 2
    assert "\r" not in bokeh  # a browser would hash it as "\n"


@pytest.fixture(autouse=True)
def _style():
    with mpl.rc_context():
        yield
