"""Is the source where it is supposed to be? The place of the largest excess around it, in one run."""

from __future__ import annotations

import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.stats import WStatCountsStatistic
from numpy.typing import NDArray

from stereo_tasks.qa.dl3 import pointing_of
from stereo_tasks.qa.theta2 import off_regions_possible

SEARCHED_DEG, STEP_DEG = 0.4, 0.05
"""Places are tried so far around the source, in such steps."""
RADIUS_DEG = 0.1
"""Of the regions: about the angular resolution."""
OFF_REGIONS = 3

Points = NDArray[np.complex128]
"""Positions in deg in the plane around the pointing, which is at 0: turning them is multiplying them."""


def excess_offset_deg(observation: Observation, source: SkyCoord, sigma: float) -> float | None:
    """Return how far from a source the largest excess of a run is, in deg.

    Parameters
    ----------
    observation : gammapy.data.Observation
        Point-like DL3.
    source : astropy.coordinates.SkyCoord
        Where the source should be.
    sigma : float
        Significance (Li & Ma) that the excess needs at its place; the many places that are tried are not counted.

    Returns
    -------
    float or None
        None where there is no such excess.
    """
    frame = pointing_of(observation).skyoffset_frame()
    events, expected = _plane(observation.events.radec, frame), complex(_plane(source, frame))
    steps = np.arange(-SEARCHED_DEG, SEARCHED_DEG + STEP_DEG / 2, STEP_DEG)
    around = (steps[:, np.newaxis] + 1j * steps).ravel()
    places = expected + around[np.abs(around) <= SEARCHED_DEG]
    found = [_significance(events, place) for place in places]
    best = int(np.argmax(found))
    if found[best] < sigma:
        return None
    return float(abs(_centre(events, places[best]) - expected))


def _plane(positions: SkyCoord, frame: object) -> Points:
    local = positions.transform_to(frame)
    return np.asarray(local.lon.wrap_at("180d").deg + 1j * local.lat.deg)


def _significance(events: Points, place: complex) -> float:
    number = off_regions_possible(abs(place), RADIUS_DEG, OFF_REGIONS)
    if not number:
        return 0.0
    turned = place * np.exp(2j * np.pi * np.arange(number + 1) / (number + 1))
    on, *off = (int(np.count_nonzero(np.abs(events - one) <= RADIUS_DEG)) for one in turned)
    return float(WStatCountsStatistic(on, sum(off), 1 / number).sqrt_ts) if on else 0.0


def _centre(events: Points, place: complex) -> complex:
    """Return the middle of the events around a place: background lies evenly around it, and moves it little."""
    for _ in range(5):
        near = events[np.abs(events - place) <= 1.5 * RADIUS_DEG]
        place = complex(near.mean())
    return place
