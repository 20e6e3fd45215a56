"""ON and OFF events of a chain by energy, gammaness and theta2; the excess, the best cuts, and the sensitivity.

Sensitivity: the flux, in units of that of the source that was observed, which gives 5 sigma (equation 17 of Li & Ma
1983, ApJ 272, 317) in 50 h with an OFF exposure of five times ON (alpha = 1/5), at least 10 excess events, and an
excess of at least 5 % of the background; by `pyirf.sensitivity.relative_sensitivity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stereo_tasks.summary.counting import Floats, Histogram

ENERGIES_TEV = np.logspace(-1.3, 1.3, 14)
"""Edges, shape (14,): those of the seed's sensitivity."""
DIVISION_TEV = float(10**-0.5)
"""Between low and high energies: the edge next to the seed's 0.3 TeV."""
GAMMANESS = np.linspace(0, 1, 51)
THETA2_DEG2 = np.linspace(0, 0.16, 321)
HOURS, ALPHA, OFF_MIN = 50.0, 0.2, 10
"""Observation time in h, ON over OFF exposure, and OFF events from which on the background is known (to 30 %)."""
_THETA2_CUTS_DEG2 = np.round(np.geomspace(0.0025, 0.16, 19) / 0.0005) * 0.0005


@dataclass(frozen=True, slots=True)
class Counts:
    """ON counts, background in ON, and the OFF counts that it comes from: arrays of one shape."""

    on: Floats
    background: Floats
    off: Floats

    def __getitem__(self, key: Any) -> Counts:
        """Return a part."""
        return Counts(self.on[key], self.background[key], self.off[key])

    @property
    def significance(self) -> Floats:
        """Of Li & Ma, with the mean ratio of ON and OFF exposure; NaN without counts."""
        from pyirf.statistics import li_ma_significance

        with np.errstate(divide="ignore", invalid="ignore"):
            found = li_ma_significance(self.on, self.off, self.background / self.off)
        return np.where(self.off > 0, found, np.nan)


@dataclass(frozen=True, slots=True)
class Cut:
    """A lower limit of gammaness and an upper one of theta2, by the bins that they are at."""

    gammaness_bin: int
    theta2_bin: int

    @property
    def gammaness(self) -> float:
        """Smallest gammaness."""
        return float(GAMMANESS[self.gammaness_bin])

    @property
    def theta2_deg2(self) -> float:
        """Largest theta2 in deg2."""
        return float(THETA2_DEG2[self.theta2_bin + 1])


class OnOff:
    """Events of a chain: half of them to find cuts with, the other half to judge the cuts by.

    Who judges a cut by the events that it was chosen for, takes fluctuations for sensitivity.
    """

    def __init__(self) -> None:
        self._halves = [{name: self._new() for name in ("on", "background", "off")} for _ in range(2)]
        self.clear_deg = float(np.sqrt(THETA2_DEG2[-1]))
        """Up to this angle no OFF region reaches into another, or sees the source."""

    @staticmethod
    def _new() -> Histogram:
        return Histogram(ENERGIES_TEV, GAMMANESS, THETA2_DEG2)

    def fill(self, events: pd.DataFrame, chain: str, clear_deg: float) -> None:
        """Add the events of a night, in order of their time; those without an OFF region are left out.

        Parameters
        ----------
        events : pandas.DataFrame
            From `stereo_tasks.summary.chains.joined`.
        chain : str
            One of its chains.
        clear_deg : float
            From `clear_angle_deg`.
        """
        number = events[f"{chain}_off_regions"].to_numpy()
        self.clear_deg = min(self.clear_deg, clear_deg)
        offs = [name for name in events if str(name).startswith(f"{chain}_theta2_off")]
        energy, gammaness = (events[f"{chain}_{name}"].to_numpy() for name in ("reco_energy", "gammaness"))
        for half, histograms in enumerate(self._halves):
            own = (np.arange(len(events)) % 2 == half) & (number > 0)
            values = energy[own], gammaness[own]
            histograms["on"].fill(*values, events[f"{chain}_theta2_on"].to_numpy()[own])
            for name in offs:
                theta2 = events[name].to_numpy()[own]
                histograms["background"].fill(*values, theta2, weights=1 / number[own])
                histograms["off"].fill(*values, theta2)

    def counts(self, half: int | None = None) -> Counts:
        """Return the counts of a half, or of both, up to the clear angle: shape (energies, gammaness, theta2)."""
        within = THETA2_DEG2[1:] <= self.clear_deg**2 * (1 + 1e-9)
        halves = self._halves if half is None else [self._halves[half]]
        names = ("on", "background", "off")
        return Counts(*(np.sum([one[name].counts for one in halves], axis=0)[..., within] for name in names))


def clear_angle_deg(events: pd.DataFrame, source_ra_deg: float, source_dec_deg: float, chain: str = "stereo") -> float:
    """Return the radius at which ON region and OFF regions touch, the smallest of all events, in deg.

    N OFF regions and ON stand at equal angles on the circle of the source: ``offset sin(pi / (N + 1))``.
    """
    from astropy.coordinates import angular_separation

    number = events[f"{chain}_off_regions"].to_numpy()
    pointing = (np.radians(events[f"{chain}_pointing_{name}"].to_numpy(np.float64)) for name in ("ra", "dec"))
    offset = np.degrees(angular_separation(*pointing, np.radians(source_ra_deg), np.radians(source_dec_deg)))
    known = (number > 0) & np.isfinite(offset)
    return float(np.min(offset[known] * np.sin(np.pi / (number[known] + 1)))) if known.any() else np.inf


def within_cuts(counts: Counts, low_tev: float = 0.0, high_tev: float = np.inf) -> Counts:
    """Return the counts of a range of energies that survive each pair of cuts: shape (gammaness, theta2)."""
    middle = np.sqrt(ENERGIES_TEV[1:] * ENERGIES_TEV[:-1])
    inside = (middle > low_tev) & (middle < high_tev)

    def cumulated(values: Floats) -> Floats:
        summed = values[inside].sum(axis=0)
        return np.cumsum(np.cumsum(summed[::-1], axis=0)[::-1], axis=1)

    return Counts(cumulated(counts.on), cumulated(counts.background), cumulated(counts.off))


def sensitivity(counts: Counts, hours: float) -> Floats:
    """Return the sensitivity as a fraction of the source's flux.

    Parameters
    ----------
    counts : Counts
        Of any shape.
    hours : float
        Live time in which they were taken.

    Returns
    -------
    numpy.ndarray
        Of this shape: NaN where there is no excess, or too few OFF events to know the background.
    """
    from pyirf.sensitivity import relative_sensitivity

    longer = HOURS / hours
    found = np.full(counts.on.shape, np.nan)
    known = (counts.off >= OFF_MIN) & (counts.on > counts.background)
    if np.isfinite(longer) and known.any():
        background = counts.background[known] * longer
        found[known] = relative_sensitivity(counts.on[known] * longer, background / ALPHA, ALPHA)
    found[~np.isfinite(found)] = np.nan
    return found


def best_cut(counts: Counts, hours: float) -> Cut | None:
    """Return the cuts with the best sensitivity among those that have one; None if none has.

    Cuts that leave fewer than twice `OFF_MIN` OFF events are none: the other half of the events would judge by too few.

    Parameters
    ----------
    counts : Counts
        From `within_cuts`.
    hours : float
        Live time.
    """
    limits = np.searchsorted(THETA2_DEG2, _THETA2_CUTS_DEG2 - 1e-9) - 1
    limits = np.unique(limits[limits < counts.on.shape[1]])
    values = sensitivity(counts[:, limits], hours)
    values[counts.off[:, limits] < 2 * OFF_MIN] = np.nan
    if not np.isfinite(values).any():
        return None
    row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
    return Cut(int(row), int(limits[column]))


def containment_deg(on: Floats, background: Floats, edges_deg2: Floats, fraction: float = 0.68) -> float:
    """Return the angle that contains a fraction of the excess, in deg; NaN without excess.

    Parameters
    ----------
    on, background : numpy.ndarray
        Shape (n,): counts by theta2.
    edges_deg2 : numpy.ndarray
        Shape (n + 1,).
    """
    excess = np.concatenate([[0.0], np.cumsum(on - background)])
    if excess[-1] <= 0:
        return float("nan")
    # The first bin in which the fraction is reached: an excess that fluctuates is not always rising.
    reached = int(np.argmax(excess >= fraction * excess[-1]))
    before, after = excess[reached - 1], excess[reached]
    part = (fraction * excess[-1] - before) / (after - before)
    theta2 = edges_deg2[reached - 1] + part * (edges_deg2[reached] - edges_deg2[reached - 1])
    return float(np.sqrt(theta2))


def resolution_deg(counts: Counts, seed: int = 1) -> tuple[float, float]:
    """Return the angle that contains 68 % of the excess within the clear angle, and its standard deviation, in deg.

    NaN below 5 sigma: the background's fluctuations would be measured. The error is that of 100 Poisson samples.

    Parameters
    ----------
    counts : Counts
        Shape (n,): by theta2.
    seed : int, optional
        Of the samples.
    """
    edges = THETA2_DEG2[: len(counts.on) + 1]
    total = Counts(*(np.asarray([values.sum()]) for values in (counts.on, counts.background, counts.off)))
    if not total.significance[0] > 5 or total.on[0] <= total.background[0]:
        return float("nan"), float("nan")
    rng: np.random.Generator = np.random.default_rng(seed)
    scale = total.background[0] / total.off[0]
    samples = [
        containment_deg(rng.poisson(counts.on).astype(float), scale * rng.poisson(counts.off), edges)
        for _ in range(100)
    ]
    return containment_deg(counts.on, counts.background, edges), float(np.nanstd(samples))
