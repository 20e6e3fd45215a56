"""Plots of the page, as SVG in data URIs: nothing to load from elsewhere, sharp on screen and paper.

Those that can be zoomed into have their plot with them.

No text that comes from outside (names, reasons) is drawn: matplotlib would take a dollar sign for mathematics.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from astropy import units as u
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stereo_tasks.analysis.reference import MAGIC_2015, crab_spectrum
from stereo_tasks.qa.clock import ClockRun
from stereo_tasks.qa.elements import StageSummary
from stereo_tasks.qa.flux_points import FluxPoint
from stereo_tasks.qa.run import Subrun
from stereo_tasks.qa.spectrum import PowerLaw
from stereo_tasks.qa.theta2 import Theta2
from stereo_tasks.settings.qa import Interval
from stereo_tasks.zoom.embed import plot_data

_WIDTH_IN = 4.9  # three beside each other on a laptop, with text of the size of the page's
_ON, _OFF, _INK, _FAINT, _LIMIT = "#1a5fb4", "#9a9996", "#241f31", "#deddda", "#a51d2d"
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


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and what BokehJS makes a plot that zooms of."""

    uri: str
    data: Markup
    """A ``<script>`` with data only; empty where there is nothing to zoom into."""


@contextmanager
def _figure(width_in: float, height_in: float) -> Iterator[Figure]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def _picture(figure: Figure, *, zooms: bool = True) -> Picture:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    uri = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Picture(uri, Markup(plot_data(figure)) if zooms else Markup())  # noqa: S704 - nothing in it ends the script


def plot_theta2(theta2: Theta2) -> Picture:
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
        return _picture(figure)


def plot_flow(stages: Sequence[StageSummary], in_theta_cut: int | None) -> Picture | None:
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
        return _picture(figure, zooms=False)


def plot_spectrum(points: Sequence[FluxPoint], fit: PowerLaw, crab: bool) -> Picture | None:
    """Draw flux points, the fitted power law and, of the Crab Nebula, what MAGIC published; None without points."""
    if not points:
        return None
    energies = np.geomspace(points[0].energy_min_tev, points[-1].energy_max_tev, 60)
    with _figure(_WIDTH_IN, 3.5) as figure:
        axes = figure.add_subplot()
        line = energies**2 * fit.flux * (energies / fit.reference_tev) ** -fit.index
        axes.plot(energies, line, color=_INK, lw=1.2, label="power law, fitted")
        if crab:
            published = (energies**2 * u.TeV**2 * crab_spectrum()(energies * u.TeV)).to_value("TeV cm-2 s-1")
            axes.plot(energies, published, "--", color="#c64600", lw=1.2, label=f"Crab Nebula, {MAGIC_2015}")
        energy, low, high, sed, error = np.array(
            [[one.energy_tev, one.energy_min_tev, one.energy_max_tev, one.sed, one.sed_error] for one in points]
        ).T
        limit = np.array([one.is_upper_limit for one in points])
        error[limit] = 0.3 * sed[limit]  # the length of the arrow
        axes.errorbar(
            energy, sed, error, [energy - low, high - energy], fmt="o", ms=4, color=_ON, elinewidth=1, uplims=limit,
            label="flux points, arrows: below 95 %" if limit.any() else "flux points",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", ylim=(0.3 * sed.min(), 4 * sed.max()))
        axes.set(xlabel="energy (TeV)", ylabel="E² dN/dE (TeV cm⁻² s⁻¹)")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend(loc="best", fontsize=9)
        return _picture(figure)


def plot_subruns(
    subruns: Sequence[Subrun],
    expected_us: float | None,
    tolerance_us: float | None,
    rate_limits_hz: Mapping[int, Interval] | None = None,
) -> Picture | None:
    """Draw zenith, rate and time offset of the subruns, run after run, with limits; None if there is nothing to draw.

    Parameters
    ----------
    subruns : sequence of Subrun
    expected_us, tolerance_us : float, optional
        The known time offset in us, and how far from it a run is good.
    rate_limits_hz : mapping of int to Interval, optional
        Between which rates of LST-1 a run is good, in Hz, by LST-1 run.
    """
    labels = {"zenith_deg": "zenith (deg)", "rate_hz": "LST-1 rate (Hz)", "time_offset_us": "time offset (µs)"}
    shown = [name for name in labels if any(getattr(subrun, name) is not None for subrun in subruns)]
    if not shown:
        return None
    with _figure(_WIDTH_IN, 3.5 if len(shown) < 3 else 4.6) as figure:
        panels = dict(zip(shown, np.atleast_1d(figure.subplots(len(shown), 1, sharex=True)), strict=True))
        if (offset := panels.get("time_offset_us")) is not None and expected_us is not None:
            if tolerance_us is not None:
                offset.axhspan(expected_us - tolerance_us, expected_us + tolerance_us, color="#f6f5f4", zorder=0)
                for limit in (expected_us - tolerance_us, expected_us + tolerance_us):
                    offset.axhline(limit, color=_LIMIT, ls=":", lw=1)
            offset.axhline(expected_us, color=_INK, ls="--", lw=1, label="known value of the date")
            offset.legend(loc="best", fontsize=9)
        starts = _draw_runs(panels, subruns)
        if (rate := panels.get("rate_hz")) is not None:
            _draw_limits(rate, subruns, rate_limits_hz or {})
        for name, axes in panels.items():
            axes.set_ylabel(labels[name])
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.margins(x=0.03, y=0.25)
        axes.set_xlabel("LST-1 subruns, by run")
        axes.set_xticks(list(starts.values()), [str(run) for run in starts])
        return _picture(figure)


def plot_clock(runs: Sequence[ClockRun]) -> Picture | None:
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
        return _picture(figure)


def _draw_runs(panels: Mapping[str, Axes], subruns: Sequence[Subrun]) -> dict[int, int]:
    """Draw the points of all runs and return where each run starts."""
    starts: dict[int, int] = {}
    for position, subrun in enumerate(subruns):
        starts.setdefault(subrun.lst_run, position)
    for number, run in enumerate(starts):
        own = [(x, subrun) for x, subrun in enumerate(subruns) if subrun.lst_run == run]
        style = {"color": _RUN_COLOURS[number % len(_RUN_COLOURS)], "ls": "none", "marker": "o", "ms": 4}
        for name, axes in panels.items():
            known = [(x, value) for x, subrun in own if (value := getattr(subrun, name)) is not None]
            axes.plot([x for x, _ in known], [value for _, value in known], **style)
    return starts


def _draw_limits(axes: Axes, subruns: Sequence[Subrun], limits: Mapping[int, Interval]) -> None:
    """Draw the limits of each run along its subruns."""
    for run, ends in limits.items():
        own = [x for x, subrun in enumerate(subruns) if subrun.lst_run == run]
        for limit in ends:
            if own and limit is not None:
                axes.plot([own[0] - 0.4, own[-1] + 0.4], [limit, limit], ":", color=_LIMIT, lw=1)
