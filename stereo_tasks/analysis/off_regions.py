"""OFF regions: as many as fit beside each other and the source, on the circle of the source around the pointing.

Fomin et al. 1994, Astropart. Phys. 2, 137: at the same distance from the pointing, ON and OFF see the same acceptance.
Regions that overlap see the same events twice, or the source itself.
"""

from __future__ import annotations

import math

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation

from stereo_tasks.analysis.settings import AnalysisSettings

_GAP = 1.001
"""Regions that just touch are too many: gammapy places them in a plane, a little off, and then calls it an overlap."""


def offset_deg(observation: Observation, source: SkyCoord) -> float:
    """Return how far an observation points from the source, in deg."""
    return float(observation.get_pointing_icrs(observation.tmid).separation(source).deg)


def on_radius_deg(observation: Observation, settings: AnalysisSettings) -> float:
    """Return the largest radius of the ON region in the energies of the analysis, in deg."""
    if not observation.aeff.is_pointlike:
        return settings.circle_radius_deg
    cuts, energy = observation.rad_max.quantity.to_value("deg"), observation.rad_max.axes["energy"]
    low, high = energy.edges_min.to_value("TeV"), energy.edges_max.to_value("TeV")
    inside = (low < settings.energy_max_tev) & (high > settings.energy_min_tev)
    # IRFs of other energies: that there is no effective area is found later, and said.
    return float((cuts[inside] if inside.any() else cuts).max())


def regions_that_fit(offset_deg: float, radius_deg: float, most: int) -> int:
    """Return the largest number of OFF regions that overlap neither each other nor the ON region.

    Parameters
    ----------
    offset_deg : float
        Distance of the source from the pointing in deg. ``n`` OFF regions and the ON region stand at equal angles;
        neighbours are ``2 offset sin(pi / (n + 1))`` apart.
    radius_deg : float
        Radius of the regions in deg.
    most : int
        Upper bound.
    """
    for number in range(most, 0, -1):
        if largest_radius_deg(offset_deg, number) > _GAP * radius_deg:
            return number
    return 0


def largest_radius_deg(offset_deg: float, number: int) -> float:
    """Return the radius at which `number` OFF regions and the ON region touch, in deg."""
    return offset_deg * math.sin(math.pi / (number + 1))


def off_positions(observation: Observation, source: SkyCoord, number: int) -> SkyCoord:
    """Return the centres of the OFF regions, of shape ``(number,)``."""
    pointing = observation.get_pointing_icrs(observation.tmid)
    angles = pointing.position_angle(source) + 2 * np.pi * u.rad * np.arange(1, number + 1) / (number + 1)
    return pointing.directional_offset_by(angles, pointing.separation(source))
