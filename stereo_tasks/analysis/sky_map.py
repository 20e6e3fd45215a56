"""Counts and significance around the source, with the background of a ring.

DL3 of point-like analyses has no background model: the acceptance of each run is that of its own events, by distance
from the pointing, away from the source. Ring background: Berge, Funk & Hinton 2007, A&A 466, 1219.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator
from gammapy.makers import RingBackgroundMaker
from gammapy.maps import Map, MapAxis, WcsGeom, WcsNDMap
from numpy.typing import NDArray

_WIDTH_DEG, _PIXEL_DEG = 3.0, 0.025
CORRELATION_DEG = 0.1
"""Radius within which counts are added up: about the point spread function."""
_RING_DEG = (0.35, 0.3)
"""Inner radius and width: well outside of a point source."""
EXCLUSION_DEG = 0.3
"""Around the source, neither acceptance nor ring count."""
_ACCEPTANCE_BINS_DEG2 = 0.1


@dataclass(frozen=True, slots=True)
class SkyMaps:
    """Two maps of the same sky."""

    counts: WcsNDMap
    """Counts a pixel."""
    significance: WcsNDMap
    """In sigma, of the counts within `CORRELATION_DEG`; not a number where there is no background."""
    background_mean_sigma: float
    background_width_sigma: float
    """Away from the source: 0 and 1 if the background is right."""


def sky_maps(observations: Sequence[Observation], source: SkyCoord, energies_tev: tuple[float, float]) -> SkyMaps:
    """Make the maps of all runs together.

    Parameters
    ----------
    observations : sequence of gammapy.data.Observation
    source : astropy.coordinates.SkyCoord
        Centre of the maps.
    energies_tev : tuple of float
        Lowest and highest reconstructed energy in TeV.
    """
    energy = MapAxis.from_energy_edges(energies_tev, unit="TeV")
    geometry = WcsGeom.create(skydir=source, width=_WIDTH_DEG, binsz=_PIXEL_DEG, frame="icrs", axes=[energy])
    away = geometry.separation(source) > EXCLUSION_DEG * u.deg
    exclusion = Map.from_geom(geometry.to_image(), data=away)
    ring = RingBackgroundMaker(r_in=_RING_DEG[0] * u.deg, width=_RING_DEG[1] * u.deg, exclusion_mask=exclusion)
    stacked = MapDatasetOnOff.create(geometry, name="map")
    for observation in observations:
        counts = Map.from_geom(geometry)
        counts.fill_events(observation.events)
        distance = geometry.separation(observation.get_pointing_icrs(observation.tmid)).to_value("deg")
        acceptance = _acceptance(counts.data[0], distance**2, away)
        dataset = MapDataset(
            counts=counts,
            background=Map.from_geom(geometry, data=acceptance[np.newaxis]),
            mask_safe=Map.from_geom(geometry, data=(acceptance > 0)[np.newaxis]),
            gti=observation.gti,
            name=str(observation.obs_id),
        )
        stacked.stack(ring.run(dataset))
    maps = ExcessMapEstimator(correlation_radius=CORRELATION_DEG * u.deg, selection_optional=[]).run(stacked)
    significance = maps["sqrt_ts"].sum_over_axes(keepdims=False)
    background = significance.data[away & np.isfinite(significance.data)]
    return SkyMaps(
        stacked.counts.sum_over_axes(keepdims=False), significance, float(background.mean()), float(background.std())
    )


def _acceptance(
    counts: NDArray[np.float64], distance2_deg2: NDArray[np.float64], away: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the events expected in each pixel without a source, from the counts in rings around the pointing."""
    edges = np.arange(0, distance2_deg2.max() + _ACCEPTANCE_BINS_DEG2, _ACCEPTANCE_BINS_DEG2)
    pixels = np.histogram(distance2_deg2[away], edges)[0]
    events = np.histogram(distance2_deg2[away], edges, weights=counts[away])[0]
    seen = pixels > 0
    middle = 0.5 * (edges[1:] + edges[:-1])
    return np.asarray(np.interp(distance2_deg2, middle[seen], events[seen] / pixels[seen]))
