"""Simulated gamma rays: weights for the spectrum and the zenith distances of the data, cuts, energy migration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import angular_separation
from astropy.table import Table
from matplotlib.figure import Figure

from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.summary import pictures
from stereo_tasks.summary.counting import Floats, Histogram
from stereo_tasks.summary.result import Result

EFFICIENCIES = (0.9, 0.68)
"""Of gamma rays that a dynamic cut keeps."""
_CUT_ENERGIES_TEV = np.logspace(-1.2, 2.1, 15)
_MIGRATION_TEV = np.logspace(-1.4, 1.4, 15)
_RATIO = np.linspace(0, 3, 601)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was simulated of a node, from ``simulation/config`` of its DL2."""

    index: float
    """Of the power law of the true energies, such as -2."""
    showers: float
    """How many, those that were used again counted again."""

    @classmethod
    def of(cls, config: pd.DataFrame, runs: int, name: str) -> Simulation:
        """Read the table, which is that of one of the runs of the node: all are alike, as magic-cta-pipe takes them.

        Raises
        ------
        DatasetError
            If something is missing.
        """
        try:
            first = config.iloc[0]
            showers = float(first["n_showers"]) * float(first["shower_reuse"]) * runs
            return cls(float(first["spectral_index"]), showers)
        except (KeyError, IndexError) as error:
            raise DatasetError(f"{name}: simulation/config lacks {error}; make the Monte Carlo's DL2 again") from None


def shares(runs: Table, nodes: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return which fraction of the time of the runs each node of the Monte Carlo stands for.

    A run is given to the node that it points nearest to; the nodes of other zenith distances have no share.

    Parameters
    ----------
    runs : astropy.table.Table
        zenith and azimuth in deg, live_time in s (start and stop, where it is not known).
    nodes : mapping of str to (float, float)
        Zenith distance and azimuth in deg.
    """
    names, found = list(nodes), dict.fromkeys(nodes, 0.0)
    azimuth, altitude = (np.radians([angle(nodes[name]) for name in names]) for angle in (_azimuth, _altitude))
    for row in runs:
        time_s = float(row["live_time"])
        if not math.isfinite(time_s):
            time_s = float(row["stop"]) - float(row["start"])
        own = math.radians(float(row["azimuth"])), math.radians(90 - float(row["zenith"]))
        found[names[int(np.argmin(angular_separation(*own, azimuth, altitude)))]] += time_s
    total = sum(found.values())
    return {name: time_s / total for name, time_s in found.items()} if total > 0 else found


def _azimuth(pointing: tuple[float, float]) -> float:
    return pointing[1]


def _altitude(pointing: tuple[float, float]) -> float:
    return 90 - pointing[0]


def weights(true_energy_tev: Floats, simulation: Simulation, share: float) -> Floats:
    """Return weights that turn the simulated power law into the spectrum of the Crab Nebula.

    Parameters
    ----------
    true_energy_tev : numpy.ndarray
        Shape (n,), in TeV.
    simulation : Simulation
        Of the node.
    share : float
        Of the time, from `shares`.

    Returns
    -------
    numpy.ndarray
        Shape (n,), in a unit of its own: MAGIC's log-parabola (Aleksic et al. 2015, JHEAp 5-6, 30) as in pyirf.
    """
    from pyirf.spectral import CRAB_MAGIC_JHEAP2015

    energy = np.asarray(true_energy_tev, dtype=np.float64)
    flux = CRAB_MAGIC_JHEAP2015(energy * u.TeV).to_value("1 / (TeV s m2)")
    return np.asarray(share / simulation.showers * flux / energy**simulation.index * 1e9)


class Simulated:
    """Collects simulated gamma rays with three telescopes: gammaness and energies, one row a shower."""

    def __init__(self) -> None:
        self._gammaness: list[Floats] = []
        self._energy_tev: list[Floats] = []
        self.migration = Histogram(_MIGRATION_TEV, _MIGRATION_TEV)
        self.ratio = Histogram(_MIGRATION_TEV, _RATIO)

    def fill(self, events: pd.DataFrame, weight: Floats) -> None:
        """Add showers of a node."""
        energy, true = (events[name].to_numpy(np.float64) for name in ("stereo_reco_energy", "true_energy"))
        self._gammaness.append(events["stereo_gammaness"].to_numpy(np.float64))
        self._energy_tev.append(energy)
        self.migration.fill(true, energy, weights=weight)
        self.ratio.fill(true, energy / true, weights=weight)

    def cuts_table(self) -> Table:
        """Return for each energy the gammaness above which a fraction of the gamma rays lies, by pyirf.

        Not a number below ten showers. magic-cta-pipe limits such cuts to a range, which is not done here.
        """
        from pyirf.cuts import calculate_percentile_cut

        gammaness, energy = (np.concatenate(parts or [np.zeros(0)]) for parts in (self._gammaness, self._energy_tev))
        inside = (energy >= _CUT_ENERGIES_TEV[0]) & (energy < _CUT_ENERGIES_TEV[-1])
        table = pictures.bins_table(_CUT_ENERGIES_TEV, "TeV", "energy")
        for efficiency in EFFICIENCIES:
            found = calculate_percentile_cut(
                gammaness[inside], energy[inside] * u.TeV, _CUT_ENERGIES_TEV * u.TeV, np.nan, 100 * (1 - efficiency)
            )
            table["showers"] = found["n_events"]
            table[f"gammaness_{100 * efficiency:.0f}"] = np.asarray(found["cut"])
        return table

    def results(self) -> list[Result]:
        """Return the tables and pictures."""
        missing = "" if self.migration.counts.any() else "no simulated shower with three telescopes"
        return [self._cuts(missing), self._migration(missing)]

    def _cuts(self, missing: str) -> Result:
        table = self.cuts_table()

        def draw(figure: Figure) -> None:
            axes = figure.add_subplot()
            for efficiency, colour in zip(EFFICIENCIES, (pictures.STEREO, pictures.SIMULATED), strict=True):
                label = f"keeps {100 * efficiency:.0f} % of the gamma rays"
                values = np.asarray(table[f"gammaness_{100 * efficiency:.0f}"])
                axes.stairs(values, _CUT_ENERGIES_TEV, color=colour, label=label, baseline=None)
            pictures.logarithmic(axes, "x")
            axes.set(xlabel="reconstructed energy (TeV)", ylabel="smallest gammaness", ylim=(0, 1))
            pictures.legend(axes)

        caption = "Dynamic cuts: the gammaness above which a fraction of the simulated gamma rays of an energy lies."
        return Result("cuts", "Dynamic cuts in gammaness", caption, table, draw, missing)

    def _migration(self, missing: str) -> Result:
        counts = self.migration.counts
        total = counts.sum(axis=1, keepdims=True)
        fraction = Histogram(*self.migration.edges)
        fraction.counts = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
        table = pictures.map_table(fraction, ("true_energy", "reco_energy"), "TeV", fraction=fraction.counts)
        bias, resolution = _bias_and_resolution(self.ratio.counts)

        def draw(figure: Figure) -> None:
            left, right = pictures.panels(figure, 2, height_in=4)
            pictures.draw_map(left, fraction, "fraction of the true energy's showers")
            left.plot(_MIGRATION_TEV[[0, -1]], _MIGRATION_TEV[[0, -1]], "--", color=pictures.INK, lw=1)
            pictures.logarithmic(left, "x", "y")
            left.set(xlabel="true energy (TeV)", ylabel="reconstructed energy (TeV)")
            middle = np.sqrt(_MIGRATION_TEV[1:] * _MIGRATION_TEV[:-1])
            right.plot(middle, bias, "o-", color=pictures.STEREO, label="bias: median of reconstructed / true - 1")
            right.plot(middle, resolution, "s-", color=pictures.SIMULATED, label="resolution: half of the central 68 %")
            right.axhline(0, color=pictures.FAINT)
            pictures.logarithmic(right, "x")
            right.set(xlabel="true energy (TeV)", ylabel="relative to the true energy")
            pictures.legend(right)

        caption = "Simulated gamma rays with three telescopes, without any cut."
        return Result("migration", "Energy migration", caption, table, draw, missing)


def _bias_and_resolution(counts: Floats) -> tuple[Floats, Floats]:
    """Return the median of the ratio minus 1, and half of the central 68 %, for each row of counts."""
    bias, resolution = (np.full(len(counts), np.nan) for _ in range(2))
    for number, row in enumerate(counts):
        one = Histogram(_RATIO)
        one.counts = row
        low, middle, high = (one.quantile(fraction) for fraction in (0.16, 0.5, 0.84))
        bias[number], resolution[number] = middle - 1, (high - low) / 2
    return bias, resolution
