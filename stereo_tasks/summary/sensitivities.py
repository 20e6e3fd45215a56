"""Theta2, sensitivity and angular resolution of the chains of analysis, each with the cuts that are best for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import Table
from matplotlib.figure import Figure

from stereo_tasks.summary import pictures
from stereo_tasks.summary.chains import CHAINS
from stereo_tasks.summary.counting import Floats, Histogram
from stereo_tasks.summary.excess import (
    DIVISION_TEV,
    ENERGIES_TEV,
    GAMMANESS,
    HOURS,
    THETA2_DEG2,
    Counts,
    Cut,
    OnOff,
    best_cut,
    containment_deg,
    resolution_deg,
    sensitivity,
    within_cuts,
)
from stereo_tasks.summary.result import Result

RANGES = {"low": (0.0, DIVISION_TEV), "high": (DIVISION_TEV, math.inf)}
_NO_TIME = "the live time of the runs is not known, or there is no excess above the OFF events"
_NO_OFF = "no event with an OFF region"
_THETA2_STEP = 5
"""Bins of theta2 that are drawn as one: 0.0025 deg2."""
DEFINITION = (
    f"Sensitivity: 5 σ (Li & Ma) in {HOURS:g} h with five times as much OFF as ON exposure, at least 10 excess events "
    "and an excess of 5 % of the background; in percent of the flux of the observed source. Cuts in gammaness and "
    "theta² are chosen for each chain by every second event, and judged by the others. All chains have the same "
    "events, those of the common sample, and so the same live time: a chain alone has more."
)


class Sensitivities:
    """Collects events of the chains, and simulated ones; see the module.

    Parameters
    ----------
    chains : mapping of str to OnOff
        Filled with the data.
    hours : float
        Live time of the data; NaN if it is not known.
    simulated : Histogram or None
        Simulated gamma rays with weights, by energy, gammaness and theta2, as `simulated_counts` has them.
    """

    def __init__(self, chains: Mapping[str, OnOff], hours: float, simulated: Histogram | None) -> None:
        self._chains, self._hours, self._simulated = chains, hours, simulated
        self.cuts: dict[tuple[str, str], Cut | None] = {}
        for chain, counted in chains.items():
            for name, limits in RANGES.items():
                self.cuts[chain, name] = best_cut(within_cuts(counted.counts(0), *limits), hours / 2)

    def numbers(self) -> dict[str, Any]:
        """Return cuts, counts, significance and sensitivity of each chain, below and above `DIVISION_TEV`."""
        told: dict[str, Any] = {"live_time_h": self._hours}
        for (chain, name), cut in self.cuts.items():
            if cut is not None:
                judged = within_cuts(self._chains[chain].counts(1), *RANGES[name])[cut.gammaness_bin, cut.theta2_bin]
                one = Counts(*(np.asarray([value]) for value in (judged.on, judged.background, judged.off)))
                told[f"{CHAINS[chain]}, {'below' if name == 'low' else 'above'} {DIVISION_TEV:.2f} TeV"] = {
                    "gammaness_min": cut.gammaness,
                    "theta2_max_deg2": cut.theta2_deg2,
                    "on": float(judged.on),
                    "background": float(judged.background),
                    "significance_sigma": float(one.significance[0]),
                    "sensitivity_percent": float(100 * sensitivity(one, self._hours / 2)[0]),
                }
        return told

    def results(self) -> list[Result]:
        """Return the tables and pictures."""
        return [self._theta2(), self._differential(), self._resolution()]

    def _theta2(self) -> Result:
        table, drawn = Table(), {}
        for chain, counted in self._chains.items():
            cut = self.cuts[chain, "high"]
            counts = counted.counts()
            first = cut.gammaness_bin if cut else int(np.searchsorted(GAMMANESS, 0.8))
            energies = np.sqrt(ENERGIES_TEV[1:] * ENERGIES_TEV[:-1]) > DIVISION_TEV
            number = counts.on.shape[2] // _THETA2_STEP
            on, background, off = (
                values[energies, first:].sum(axis=(0, 1))[: number * _THETA2_STEP].reshape(number, -1).sum(axis=1)
                for values in (counts.on, counts.background, counts.off)
            )
            edges = THETA2_DEG2[: number * _THETA2_STEP + 1 : _THETA2_STEP]
            if not len(table):
                table = pictures.bins_table(edges, "deg2", "theta2")
            table[f"on_{chain}"], table[f"background_{chain}"], table[f"off_{chain}"] = on, background, off
            drawn[chain] = edges, on, background, off, GAMMANESS[first], cut

        def draw(figure: Figure) -> None:
            for axes, (chain, (edges, on, background, _, gammaness, cut)) in zip(
                pictures.panels(figure, len(drawn)), drawn.items(), strict=True
            ):
                middle = (edges[1:] + edges[:-1]) / 2
                axes.stairs(background, edges, fill=True, color=pictures.FAINT, label="OFF, scaled")
                colour = pictures.COLOURS[chain]
                axes.errorbar(middle, on, np.sqrt(on), fmt="o", ms=3, color=colour, elinewidth=1, label="ON")
                if cut:
                    axes.axvline(cut.theta2_deg2, color=pictures.INK, ls="--", lw=1)
                title = f"{CHAINS[chain]}, gammaness ≥ {gammaness:.2f}"
                axes.set(xlabel="theta² (deg²)", ylabel="events", xlim=(0, edges[-1]), ylim=(0, None), title=title)
                pictures.legend(axes)

        caption = (
            f"Above {DIVISION_TEV:.2f} TeV, each chain with its own best cut in gammaness; dashed: that in theta². "
            "It ends where the OFF regions would touch each other and the source."
        )
        some = any(one[3].sum() for one in drawn.values())
        return Result("theta2", "Theta²", caption, table, draw, "" if some else _NO_OFF)

    def _differential(self) -> Result:
        columns: dict[str, Floats] = {}
        for chain, counted in self._chains.items():
            found = [self._in_bin(counted, *edges) for edges in pairwise(ENERGIES_TEV)]
            names = ("sensitivity", "gammaness_min", "theta2_max", "on", "background")
            columns |= {f"{name}_{chain}": np.array([one[i] for one in found]) for i, name in enumerate(names)}
        table = pictures.bins_table(ENERGIES_TEV, "TeV", "energy", **columns)
        for name in columns:
            unit = {"sensitivity": "percent", "theta2": "deg2"}.get(name.partition("_")[0])
            if unit:
                table[name].unit = unit
            table[name].info.format = ".5g"

        def draw(figure: Figure) -> None:
            axes = figure.add_subplot()
            for chain in self._chains:
                values = columns[f"sensitivity_{chain}"]
                some = np.isfinite(values)
                width = ENERGIES_TEV[:-1][some], ENERGIES_TEV[1:][some]
                middle = np.sqrt(width[0] * width[1])
                axes.errorbar(
                    middle, values[some], xerr=[middle - width[0], width[1] - middle], fmt="o", ms=4,
                    color=pictures.COLOURS[chain], label=CHAINS[chain],
                )  # fmt: skip
            pictures.logarithmic(axes, "x", "y")
            axes.set(xlabel="reconstructed energy (TeV)", ylabel="sensitivity (percent of the source's flux)")
            pictures.legend(axes)

        some = any(np.isfinite(values).any() for name, values in columns.items() if name.startswith("sensitivity"))
        title = f"Differential sensitivity in {HOURS:g} h"
        caption = "Five bins a decade; the definition stands above."
        return Result("sensitivity", title, caption, table, draw, "" if some else _NO_TIME)

    def _in_bin(self, counted: OnOff, low_tev: float, high_tev: float) -> tuple[float, ...]:
        cut = best_cut(within_cuts(counted.counts(0), low_tev, high_tev), self._hours / 2)
        if cut is None:
            return (math.nan,) * 5
        judged = within_cuts(counted.counts(1), low_tev, high_tev)[cut.gammaness_bin, cut.theta2_bin]
        one = Counts(*(np.asarray([value]) for value in (judged.on, judged.background, judged.off)))
        percent = 100 * float(sensitivity(one, self._hours / 2)[0])
        return percent, cut.gammaness, cut.theta2_deg2, float(judged.on), float(judged.background)

    def _resolution(self) -> Result:
        edges = ENERGIES_TEV[::2]
        columns: dict[str, Floats] = {}
        for chain, counted in self._chains.items():
            first = self._first_bin(chain)
            counts = counted.counts()
            by_energy = Counts(
                *(_paired(values)[:, first:].sum(axis=1) for values in (counts.on, counts.background, counts.off))
            )
            found = np.array([resolution_deg(by_energy[i]) for i in range(len(edges) - 1)])
            columns |= {f"resolution_{chain}": found[:, 0], f"error_{chain}": found[:, 1]}
        if self._simulated is not None:
            within = sum(THETA2_DEG2[1:] <= self._chains["stereo"].clear_deg ** 2 * (1 + 1e-9))
            rays = _paired(self._simulated.counts)[:, self._first_bin("stereo") :].sum(axis=1)[:, :within]
            none = np.zeros(within)
            columns["resolution_simulated"] = np.array([containment_deg(one, none, THETA2_DEG2) for one in rays])
        table = pictures.bins_table(edges, "TeV", "energy", **columns)
        for name in columns:
            table[name].unit = "deg"
            table[name].info.format = ".4g"

        def draw(figure: Figure) -> None:
            axes = figure.add_subplot()
            middle = np.sqrt(edges[1:] * edges[:-1])
            for shift, chain in enumerate(self._chains):
                style = {"fmt": "o-", "ms": 4, "color": pictures.COLOURS[chain], "label": CHAINS[chain]}
                shifted = middle * 1.03**shift
                axes.errorbar(shifted, columns[f"resolution_{chain}"], columns[f"error_{chain}"], **style)
            if "resolution_simulated" in columns:
                style = {"color": pictures.SIMULATED, "label": f"{CHAINS['stereo']}, simulated gamma rays"}
                axes.plot(middle, columns["resolution_simulated"], "s--", ms=4, **style)
            pictures.logarithmic(axes, "x")
            axes.set(xlabel="reconstructed energy (TeV)", ylabel="angle with 68 % of the excess (deg)", ylim=(0, None))
            pictures.legend(axes)

        radius = min(one.clear_deg for one in self._chains.values())
        caption = (
            f"68 % of the excess, OFF subtracted, within {radius:.2f} deg, up to where the OFF regions are clear; each "
            "chain with its own best cut in gammaness; from 5 σ on."
        )
        some = any(np.isfinite(values).any() for values in columns.values())
        missing = "" if some else "no energy with an excess of 5 σ"
        return Result("angular_resolution", "Angular resolution", caption, table, draw, missing)

    def _first_bin(self, chain: str) -> int:
        cut = self.cuts[chain, "high"]
        return cut.gammaness_bin if cut else int(np.searchsorted(GAMMANESS, 0.8))


def _paired(values: Floats) -> Floats:
    """Add each two neighbouring bins of energy; the last one, if it has no neighbour, is left out."""
    even = values[: len(values) // 2 * 2]
    return even[::2] + even[1::2]


def new_simulated() -> Histogram:
    """Return an empty histogram for simulated gamma rays."""
    return Histogram(ENERGIES_TEV, GAMMANESS, THETA2_DEG2)


def fill_simulated(histogram: Histogram, events: pd.DataFrame, weights: Floats) -> None:
    """Add simulated gamma rays, by the distance from their true direction."""
    columns = (events[f"stereo_{name}"] for name in ("reco_energy", "gammaness", "theta2_on"))
    histogram.fill(*columns, weights=weights)
