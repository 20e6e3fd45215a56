"""The summary of a sample: dates, pointings, time offsets, intensity spectra, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stereo_tasks.datasets.coincidences import summed
from stereo_tasks.datasets.combinations import NAMES
from stereo_tasks.summary import pictures
from stereo_tasks.summary.dates import HOUR_S, hours_table
from stereo_tasks.summary.intensities import GOOD_AT_LOG10, GOOD_RATE_HZ, run_rates, spectra_table
from stereo_tasks.summary.result import Result, Summary
from stereo_tasks.summary.runs import PAIRS, runs_table
from stereo_tasks.summary.subruns import subruns_table

_NO_TIME = "the live times of the runs are not known: no observation index of the published nights"
_NO_TRIGGERS = "the DL1 of LST-1 of these nights is not there, or has too few triggers a second for an effective time"
_NO_SUBRUNS = "no products of the search for coincidences"
_LABELS = {"lst_m1": "LST-1 and M1", "lst_m2": "LST-1 and M2", "m1_m2": "M1 and M2"}
_COMBINATIONS = {"3tel": "LST-1 + M1 + M2", "LST1_MI": "LST-1 + M1", "LST1_MII": "LST-1 + M2", "MI_MII": "M1 + M2"}


@dataclass
class Sample:
    """What was read of a sample; tables are empty where there is nothing."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """Runs, from `stereo_tasks.summary.runs.run_row`."""
    times: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    """ON time and live time in s by night and run."""
    features: list[pd.DataFrame] = field(default_factory=list)
    profiles: list[pd.DataFrame] = field(default_factory=list)
    spectra: list[pd.DataFrame] = field(default_factory=list)
    effective_times: list[pd.DataFrame] = field(default_factory=list)


def summarise(sample: Sample, lost: Sequence[str] = ()) -> Summary:
    """Make the summary of a sample of at least one run."""
    spectrum, times = _joined(sample.spectra), _joined(sample.effective_times)
    triggers: Mapping[int, Mapping[str, Any]] = {} if times.empty else run_rates(spectrum, times)
    runs = runs_table(sample.rows, sample.times, triggers)
    results = (
        _runs(runs),
        _dates(runs),
        _separations(runs),
        _subruns(_joined(sample.features)),
        _coincidences(_joined(sample.profiles)),
        _intensities(runs, spectrum, times),
        _rates(runs),
    )
    live_s = np.asarray(runs["live_time"])
    good = {answer: [int(run) for run in runs["run"][runs["good"] == answer]] for answer in ("yes", "no", "unknown")}
    numbers = {
        "runs": len(runs),
        "nights": len(set(runs["night"])),
        "live_time_h": float(live_s.sum() / HOUR_S),
        "zenith_min_deg": float(min(runs["zenith"])),
        "zenith_max_deg": float(max(runs["zenith"])),
        "events": int(sum(runs["events"])),
        **{f"events_{name}": int(sum(runs[f"events_{name}"])) for name in NAMES},
        "good_runs": len(good["yes"]),
        "runs_not_good": ", ".join(map(str, good["no"])),
        "runs_unknown": ", ".join(map(str, good["unknown"])),
    }
    notes = (
        f"Good: at least {GOOD_RATE_HZ:g} showers a second of LST-1, from all of its triggers over its effective time, "
        f"in the bin of 0.014 dex at log10(intensity / p.e.) = {GOOD_AT_LOG10:g}. Live times are those of the DL3. All "
        "times are UTC.",
        *(f"Left out: {text}" for text in lost),
    )
    return Summary("sample", "the data sample", numbers, results, notes)


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _runs(runs: Table) -> Result:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(projection="polar")
        axes.set_theta_zero_location("N")
        axes.set_theta_direction(-1)
        minutes = np.nan_to_num(np.asarray(runs["live_time"]) / 60, nan=5.0)
        points = axes.scatter(
            np.radians(runs["azimuth"]), runs["zenith"], s=4 + 3 * minutes, c=runs["events"], cmap="viridis"
        )
        axes.set_ylim(0, max(60.0, 1.1 * float(max(runs["zenith"]))))
        axes.set_xlabel("azimuth (deg, North up, clockwise); radius: zenith distance (deg)")
        figure.colorbar(points, ax=axes, label="stereo events")

    caption = "Where the runs pointed; the larger a point, the longer its live time."
    return Result("runs", "Azimuth and zenith distance of the runs", caption, runs, draw)


def _dates(runs: Table) -> Result:
    table = hours_table(runs)

    def draw(figure: Figure) -> None:
        for axes, by in zip(pictures.panels(figure, 3), ("year", "month", "hour"), strict=True):
            own = table[table["by"] == by]
            axes.bar(list(own["of"]), own["live_time"], color=pictures.STEREO)
            axes.set(xlabel=f"{by} (UTC)" if by == "hour" else f"{by} of the evening", ylabel="live time (h)")

    missing = "" if len(table) else _NO_TIME
    return Result("dates", "When it was taken", "Live time by year, month and hour of the day.", table, draw, missing)


def _separations(runs: Table) -> Result:
    names = [f"{kind}_{pair}" for pair in PAIRS for kind in ("separation", "spread")]
    table = runs[["run", "night", *names]]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, colour in zip(PAIRS, (pictures.STEREO, pictures.LST, pictures.MAGIC), strict=True):
            values, spread = np.asarray(table[f"separation_{name}"]) * 60, np.asarray(table[f"spread_{name}"]) * 60
            numbers = np.arange(len(table))
            axes.errorbar(numbers, values, spread, fmt="o", ms=4, color=colour, elinewidth=1, label=_LABELS[name])
        axes.set(xlabel="run, in order of time", ylabel="separation (arcmin)", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        pictures.legend(axes)

    caption = "Angle between the pointings of the telescopes, mean and standard deviation over the events of a run."
    return Result("separations", "Pointing separations", caption, table, draw)


def _subruns(features: pd.DataFrame) -> Result:
    if features.empty:
        return Result("subruns", "Time offsets by subrun", "", Table(), _nothing, _NO_SUBRUNS)
    table = subruns_table(features)

    def draw(figure: Figure) -> None:
        figure.set_size_inches(7, 5.5)
        top, bottom = figure.subplots(2, 1, sharex=True)
        numbers = np.arange(len(table))
        for name, colour in (("lst_m1", pictures.STEREO), ("lst_m2", pictures.LST)):
            style = {"ls": "none", "marker": ".", "color": colour, "label": _LABELS[name]}
            top.plot(numbers, table[f"time_offset_{name}"], **style)
            bottom.plot(numbers, np.asarray(table[f"separation_{name}"]) * 60, **style)
        zenith = top.twinx()
        zenith.plot(numbers, table["zenith"], "-", color=pictures.FAINT, lw=1, zorder=0)
        zenith.set_ylabel("zenith distance (deg), grey")
        zenith.spines["right"].set_visible(True)
        top.set(ylabel="time offset (µs)")
        top.ticklabel_format(axis="y", useOffset=False)
        bottom.set(xlabel="LST-1 subrun, in order of time", ylabel="separation (arcmin)", ylim=(0, None))
        pictures.legend(top)

    caption = "Offset of the time stamps of MAGIC and LST-1, and angle between their mean pointings."
    return Result("subruns", "Time offsets by subrun", caption, table, draw)


def _coincidences(profiles: pd.DataFrame) -> Result:
    if profiles.empty:
        return Result("coincidences", "Coincidences against time offset", "", Table(), _nothing, _NO_SUBRUNS)
    table = Table.from_pandas(summed(profiles))
    table["time_offset"].unit = "us"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, label, colour in ((12, "LST-1 and M1", pictures.STEREO), (13, "LST-1 and M2", pictures.LST)):
            axes.step(table["time_offset"], table[f"n_coincidence_tel{number}"], color=colour, where="mid", label=label)
        axes.set(xlabel="time offset (µs)", ylabel="coincidences", ylim=(0, None))
        pictures.legend(axes)

    caption = "Coincident events found at each offset that was tried, all subruns together."
    return Result("coincidences", "Coincidences against time offset", caption, table, draw)


def _intensities(runs: Table, spectrum: pd.DataFrame, times: pd.DataFrame) -> Result:
    title = "Intensity spectra of LST-1 by run"
    if spectrum.empty:
        return Result("intensities", title, "", Table(), _nothing, _NO_TRIGGERS)
    table = spectra_table(spectrum, times)
    good = dict(zip(runs["run"], runs["good"], strict=True))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        numbers = sorted(set(table["run"]))
        for run, colour in zip(numbers, pictures.cycled(len(numbers)), strict=True):
            own = table[table["run"] == run]
            middle = (own["log10_intensity_min"] + own["log10_intensity_max"]) / 2
            is_good = good.get(run) == "yes"
            axes.plot(middle, own["rate"], lw=0.8, color=colour if is_good else pictures.FAINT, zorder=2 + is_good)
        axes.plot([GOOD_AT_LOG10], [GOOD_RATE_HZ], "x", color="red", zorder=5, label=f"limit: {GOOD_RATE_HZ:g} /s")
        axes.set(xlabel="log10(intensity / p.e.)", ylabel="showers in 0.014 dex (1/s)", ylim=(0, None))
        pictures.legend(axes)

    caption = "All triggers of LST-1 over its effective time; good runs in colour from early to late, others grey."
    return Result("intensities", title, caption, table, draw, "" if len(table) else _NO_TRIGGERS)


def _rates(runs: Table) -> Result:
    live_s = np.asarray(runs["live_time"], dtype=float)
    table = runs[["run", "night", "zenith"]].copy()
    for name in NAMES:
        table[f"rate_{name}"] = np.asarray(runs[f"events_{name}"]) / live_s
        table[f"rate_{name}"].unit = "1/s"
        table[f"rate_{name}"].info.format = ".5g"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, marker in zip(NAMES, "osv^", strict=True):
            axes.plot(table["zenith"], table[f"rate_{name}"], marker, ms=5, label=_COMBINATIONS[name])
        axes.set(xlabel="zenith distance (deg)", ylabel="stereo events a second (1/s)", ylim=(0, None))
        pictures.legend(axes, title="telescopes of the event")

    caption = "Stereo events of each combination of telescopes over the live time of the run, without any cut."
    known = bool(np.isfinite(live_s).any())
    return Result("rates", "Stereo rates", caption, table, draw, "" if known else _NO_TIME)


def _nothing(figure: Figure) -> None:
    """Draw nothing: the result says why."""
