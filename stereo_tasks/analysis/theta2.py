"""Theta2: squared distances of the events from the source (ON) and from the centres of its OFF regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from gammapy.data import Observation

from stereo_tasks.analysis.off_regions import largest_radius_deg, off_positions, offset_deg

_BINS = 40


def theta2_table(
    observations: Sequence[Observation], source: SkyCoord, off_regions: int, energies_tev: tuple[float, float]
) -> QTable:
    """Make the theta2 distribution of all runs.

    It ends where the regions would touch: farther out, OFF would count events of the source.

    Parameters
    ----------
    observations : sequence of gammapy.data.Observation
    source : astropy.coordinates.SkyCoord
    off_regions : int
    energies_tev : tuple of float
        Lowest and highest reconstructed energy of the events in TeV.

    Returns
    -------
    astropy.table.QTable
        ``theta2_min``, ``theta2_max`` (deg2), ``on``, ``off`` (all regions together), ``background``, ``excess``,
        ``excess_error``.
    """
    end_deg = min(largest_radius_deg(offset_deg(observation, source), off_regions) for observation in observations)
    edges = np.linspace(0, end_deg**2, _BINS + 1)
    on, off = np.zeros(_BINS, dtype=int), np.zeros(_BINS, dtype=int)
    for observation in observations:
        energy = observation.events.energy.to_value("TeV")
        events = observation.events.radec[(energy >= energies_tev[0]) & (energy < energies_tev[1])]
        on += np.histogram(events.separation(source).deg ** 2, edges)[0]
        for position in off_positions(observation, source, off_regions):
            off += np.histogram(events.separation(position).deg ** 2, edges)[0]
    table = QTable(
        {
            "theta2_min": edges[:-1] * u.deg**2,
            "theta2_max": edges[1:] * u.deg**2,
            "on": on,
            "off": off,
            "background": off / off_regions,
            "excess": on - off / off_regions,
            "excess_error": np.sqrt(on + off / off_regions**2),
        }
    )
    for name in ("theta2_min", "theta2_max", "background", "excess", "excess_error"):
        table[name].info.format = ".5g"
    return table
