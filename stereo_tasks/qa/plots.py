"""Plots of the page, as SVG in data URIs: nothing to load from elsewhere, sharp on screen and paper.

No text that comes from outside (names, reasons) is drawn: matplotlib would take a dollar sign for mathematics.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stereo_tasks.qa.clock import ClockRun
from stereo_tasks.qa.elements import StageSummary
from stereo_tasks.qa.run import Subrun
from stereo_tasks.qa.theta2 import Theta2

_WIDTH_IN = 4.9  # three beside each other on a laptop, with text of the size of the page's
_ON, _OFF, _INK, _FAINT = "#1a5fb4", "#9a9996", "#241f31", "#deddda"
_RUN_COLOURS = ("#1a5fb4", "#c64600", "#26a269", "#813d9c", "#986a44", "#a51d2d")
_STYLE = {
    "svg.hashsalt": "stereo",  # equal data give equal files
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": "#77767b",
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@contextmanager
def _figure(width_in: float, height_in: float) -> Iterator[Figure]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def plot_theta2(theta2: Theta2) -> str:
    """Draw ON counts and the scaled OFF counts over theta2, with the cut."""
    alpha = theta2.total.alpha
    center = (theta2.edges_deg2[1:] + theta2.edges_deg2[:-1]) / 2
    with _figure(_WIDTH_IN, 3.5) as figure:
        axes = figure.add_subplot()
        low, high = (cut**2 for cut in theta2.cut_deg)
        axes.axvspan(0, high, color="#f6f5f4", zorder=0)
        axes.axvline(high, color=_INK, ls="--", lw=1)
        if not math.isclose(low, high, abs_tol=1e-6):
            axes.axvline(low, color=_INK, ls=":", lw=1)
        axes.stairs(theta2.off * alpha, theta2.edges_deg2, fill=True, color=_FAINT, label=f"OFF / {theta2.off_regions}")
        off_error = alpha * np.sqrt(theta2.off)
        axes.errorbar(center, theta2.off * alpha, off_error, fmt="none", ecolor=_OFF, elinewidth=1)
        axes.errorbar(center, theta2.on, np.sqrt(theta2.on), fmt="o", ms=3.5, color=_ON, elinewidth=1, label="ON")
        axes.set(xlim=(0, theta2.edges_deg2[-1]), ylim=(0, None), ylabel="events")
        axes.set_xlabel("theta² (deg²)")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper right")
        return _data_uri(figure)


def plot_flow(stages: Sequence[StageSummary], in_theta_cut: int | None) -> str | None:
    """Draw how many events each stage passed on; None if no stage counted any."""
    bars = []
    for stage in stages:
        if stage.stage == "coincide" and stage.events_in is not None:
            bars.append(("LST-1 events", stage.events_in, _OFF))
        if stage.events_out is not None:
            both = " M1 + M2" if stage.stage in {"calibrate", "merge", "synchronise"} else ""
            bars.append((stage.stage + both, stage.events_out, _ON))
    if not bars:
        return None
    if in_theta_cut is not None:
        bars.append(("ON region", float(in_theta_cut), "#26a269"))
    names, values, colours = zip(*bars, strict=True)
    with _figure(_WIDTH_IN, 3.5) as figure:
        axes = figure.add_subplot()
        drawn = axes.barh(range(len(bars)), [max(value, 0.8) for value in values], color=colours, height=0.66)
        axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=4, fontsize=9)
        axes.set_yticks(range(len(bars)), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(0.8, max(*values, 10) * 12)  # room for the numbers
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("events out")
        return _data_uri(figure)


def plot_subruns(subruns: Sequence[Subrun], expected_us: float | None, tolerance_us: float | None) -> str | None:
    """Draw zenith and time offset of the subruns, run after run; None if there is nothing to draw."""
    if not any(subrun.zenith_deg is not None or subrun.time_offset_us is not None for subrun in subruns):
        return None
    with _figure(_WIDTH_IN, 3.5) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        if expected_us is not None:
            if tolerance_us is not None:
                bottom.axhspan(expected_us - tolerance_us, expected_us + tolerance_us, color="#f6f5f4", zorder=0)
            bottom.axhline(expected_us, color=_INK, ls="--", lw=1, label="known value of the date")
            bottom.legend(loc="best", fontsize=9)
        starts = _draw_runs(top, bottom, subruns)
        top.set_ylabel("zenith (deg)")
        bottom.set_ylabel("time offset (µs)")
        bottom.set_xlabel("LST-1 subruns, by run")
        for axes in (top, bottom):
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.margins(x=0.03, y=0.25)
        bottom.set_xticks(list(starts.values()), [str(run) for run in starts])
        return _data_uri(figure)


def plot_clock(runs: Sequence[ClockRun]) -> str | None:
    """Draw how far MAGIC's clock was from LST-1's, and how well a line describes each run; None without any."""
    if not runs:
        return None
    start_s = min(run.unix_s[0] for run in runs)
    numbers = sorted({run.run for run in runs})
    with _figure(_WIDTH_IN, 3.5) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        for run in runs:
            colour = _RUN_COLOURS[numbers.index(run.run) % len(_RUN_COLOURS)]
            filled = colour if run.telescope == "M1" else "none"
            style = {"color": colour, "mfc": filled, "ls": "none", "marker": "o", "ms": 4}
            minutes = (np.array(run.unix_s) - start_s) / 60
            top.plot(minutes, np.array(run.offset_ns) * 1e-9, **style)
            bottom.plot(minutes, run.residual_ns, **style)
        top.set_ylabel("clock offset (s)")
        bottom.set_ylabel("from line (ns)")
        bottom.set_xlabel("time (min)")
        for axes in (top, bottom):
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.margins(x=0.03, y=0.25)
        return _data_uri(figure)


def _draw_runs(top: Axes, bottom: Axes, subruns: Sequence[Subrun]) -> dict[int, int]:
    """Draw the points of all runs and return where each run starts."""
    starts: dict[int, int] = {}
    for position, subrun in enumerate(subruns):
        starts.setdefault(subrun.lst_run, position)
    for number, run in enumerate(starts):
        own = [(x, subrun) for x, subrun in enumerate(subruns) if subrun.lst_run == run]
        style = {"color": _RUN_COLOURS[number % len(_RUN_COLOURS)], "ls": "none", "marker": "o", "ms": 4}
        for axes, name in ((top, "zenith_deg"), (bottom, "time_offset_us")):
            known = [(x, value) for x, subrun in own if (value := getattr(subrun, name)) is not None]
            axes.plot([x for x, _ in known], [value for _, value in known], **style)
    return starts
