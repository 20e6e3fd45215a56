"""Theta2: squared distances of the events from the source (ON) and from its mirror positions (OFF).

The OFF regions lie on the circle around the pointing that goes through the source, at equal angles, so that ON and OFF
see the same acceptance (wobble mode: Fomin et al. 1994, Astropart. Phys. 2, 137). The significance is equation 17 of
Li & Ma 1983, ApJ 272, 317, in gammapy's signed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.stats import WStatCountsStatistic
from numpy.typing import NDArray

from stereo_tasks.qa.dl3 import pointing_of
from stereo_tasks.settings.qa import Theta2Settings


@dataclass(frozen=True, slots=True)
class Excess:
    """Counts inside the theta cut and what they mean."""

    n_on: int
    n_off: int
    alpha: float
    """ON over OFF acceptance: 1 over the number of OFF regions."""

    @property
    def excess(self) -> float:
        """ON counts minus the background expected in the ON region."""
        return self.n_on - self.alpha * self.n_off

    @property
    def error(self) -> float:
        """Standard deviation of the excess."""
        return math.sqrt(self.n_on + self.alpha**2 * self.n_off)

    @property
    def significance(self) -> float:
        """Significance of the excess in sigma after Li & Ma; negative for a deficit, 0 without any count."""
        if self.n_on + self.n_off == 0:
            return 0.0
        return float(WStatCountsStatistic(self.n_on, self.n_off, self.alpha).sqrt_ts)


@dataclass(frozen=True, slots=True)
class Theta2:
    """Theta2 distributions of the ON region and of all OFF regions together, summed over runs."""

    edges_deg2: NDArray[np.float64]
    on: NDArray[np.int64]
    off: NDArray[np.int64]
    total: Excess
    runs: Mapping[int, Excess]
    """By LST-1 run."""
    off_regions: int
    cut_deg: tuple[float, float]
    """Smallest and largest theta cut over the energies of the events; equal for a global cut."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Runs without room for any OFF region, with the reason."""


def off_positions(source: SkyCoord, pointing: SkyCoord, number: int) -> SkyCoord:
    """Return the source's positions turned around the pointing by equal angles.

    Parameters
    ----------
    source, pointing : astropy.coordinates.SkyCoord
    number : int
        Number of OFF positions.
    """
    angles = pointing.position_angle(source) + 2 * np.pi * u.rad * np.arange(1, number + 1) / (number + 1)
    return pointing.directional_offset_by(angles, pointing.separation(source))


def off_regions_possible(offset_deg: float, cut_deg: float, wished: int) -> int:
    """Return the largest number of OFF regions, up to `wished`, that overlap neither each other nor the source's.

    Parameters
    ----------
    offset_deg : float
        Distance of the source from the pointing in deg.
    cut_deg : float
        Radius of the regions in deg.
    wished : int
    """
    for number in range(wished, 0, -1):
        if offset_deg * math.sin(math.pi / (number + 1)) >= cut_deg:
            return number
    return 0


def largest_cut_deg(observation: Observation) -> float:
    """Return the largest theta cut of a run in deg, from the RAD_MAX table or header."""
    return float(np.max(observation.rad_max.quantity.to_value("deg")))


def make_theta2(observations: Iterable[Observation], source: SkyCoord, settings: Theta2Settings) -> Theta2 | None:
    """Make the theta2 distributions around a source.

    Parameters
    ----------
    observations : iterable of gammapy.data.Observation
        With point-like IRFs. The theta cut is theirs: one for all energies (RAD_MAX in the header of the effective
        area) or a table over energy.
    source : astropy.coordinates.SkyCoord
    settings : Theta2Settings

    Returns
    -------
    Theta2 or None
        None if no run has room for an OFF region.
    """
    usable, left_out, number = [], {}, settings.off_regions
    for observation in observations:
        offset_deg = float(pointing_of(observation).separation(source).deg)
        possible = off_regions_possible(offset_deg, largest_cut_deg(observation), settings.off_regions)
        if possible == 0:
            left_out[int(observation.obs_id)] = (
                f"no room for an OFF region: wobble offset {offset_deg:.2f} deg, "
                f"theta cut {largest_cut_deg(observation):.2f} deg"
            )
            continue
        usable.append(observation)
        number = min(number, possible)  # one number for all runs keeps one alpha
    if not usable:
        return None

    edges = np.arange(0, settings.shown_max_deg2 + settings.bin_width_deg2 / 2, settings.bin_width_deg2)
    on, off = np.zeros(len(edges) - 1, dtype=np.int64), np.zeros(len(edges) - 1, dtype=np.int64)
    runs: dict[int, Excess] = {}
    cuts: list[float] = []
    for observation in usable:
        positions = off_positions(source, pointing_of(observation), number)
        theta_on = _theta_deg(observation, source)
        thetas_off = [_theta_deg(observation, position) for position in positions]
        cut = _cuts_deg(observation, source)
        on += np.histogram(theta_on**2, edges)[0]
        off += np.histogram(np.concatenate(thetas_off) ** 2, edges)[0]
        n_on = int(np.count_nonzero(theta_on <= cut))
        n_off = sum(int(np.count_nonzero(theta <= cut)) for theta in thetas_off)
        runs[int(observation.obs_id)] = Excess(n_on, n_off, 1 / number)
        cuts += [float(np.min(cut[cut > 0])), float(np.max(cut))] if np.any(cut > 0) else []
    total = Excess(sum(run.n_on for run in runs.values()), sum(run.n_off for run in runs.values()), 1 / number)
    # A cut of 0 marks events outside the energies of the table: they count nowhere.
    shown = (min(cuts, default=0.0), max(cuts, default=0.0))
    return Theta2(edges, on, off, total, runs, number, shown, left_out)


def _theta_deg(observation: Observation, position: SkyCoord) -> NDArray[np.float64]:
    return np.asarray(observation.events.radec.separation(position).deg)


def _cuts_deg(observation: Observation, source: SkyCoord) -> NDArray[np.float64]:
    """Return the theta cut of every event."""
    offset = pointing_of(observation).separation(source)
    cut = observation.rad_max.evaluate(method="nearest", energy=observation.events.energy, offset=offset)
    return np.broadcast_to(cut.to_value("deg"), len(observation.events.table))
