"""The table of runs: which were used, which were left out, and why."""

from __future__ import annotations

import math

from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time, TimeDelta

from stereo_tasks.analysis.observations import SourceObservations
from stereo_tasks.analysis.reduction import Reduction
from stereo_tasks.analysis.times import in_utc, night_of
from stereo_tasks.gadf.format import UNKNOWN_QUALITY


def runs_table(found: SourceObservations, reduction: Reduction) -> QTable:
    """Make the table of all runs of the source, in the order of time.

    Returns
    -------
    astropy.table.QTable
        ``obs_id``; ``night`` (date of the evening); ``start`` (UTC); ``zenith`` and ``offset`` (deg); ``live_time``
        (s), as in the header; ``quality`` (-1: unknown); ``used``; ``reason`` why not.
    """
    used = {int(observation.obs_id) for observation in reduction.observations}
    left_out = {**found.left_out, **reduction.left_out}
    rows = []
    for obs_id, header in found.headers.items():
        pointing = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg")
        start = _start(header)
        rows.append(
            {
                "obs_id": obs_id,
                "night": night_of(start) if start else "",
                "start": start.isot if start else "",
                "zenith": _zenith_deg(header) * u.deg,
                "offset": float(pointing.separation(found.source).deg) * u.deg,
                "live_time": _number(header, "LIVETIME") * u.s,
                "quality": found.quality.get(obs_id, UNKNOWN_QUALITY),
                "used": obs_id in used,
                "reason": left_out.get(obs_id, ""),
            }
        )
    table = QTable(rows=sorted(rows, key=lambda row: (row["start"], row["obs_id"])))
    for name in ("zenith", "offset", "live_time"):
        table[name].info.format = ".5g"
    return table


def _start(header: fits.Header) -> Time | None:
    """Return when a run started; None if its header does not tell."""
    start_s, day = _number(header, "TSTART"), _number(header, "MJDREFI")
    if math.isnan(start_s) or math.isnan(day):
        return None
    scale = str(header.get("TIMESYS", "UTC")).lower()
    reference = Time(day, header.get("MJDREFF", 0.0), format="mjd", scale=scale if scale in Time.SCALES else "utc")
    return in_utc(reference + TimeDelta(start_s, format="sec"), reference)


def _zenith_deg(header: fits.Header) -> float:
    zenith_deg = _number(header, "ZEN_PNT")
    return 90 - _number(header, "ALT_PNT") if math.isnan(zenith_deg) else zenith_deg


def _number(header: fits.Header, card: str) -> float:
    try:
        return float(header[card])
    except (KeyError, TypeError, ValueError):
        return math.nan
