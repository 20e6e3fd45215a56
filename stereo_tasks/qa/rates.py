"""Rates of a run, and how its time offset changes, from the counts of its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from stereo_tasks.products.record import Record
from stereo_tasks.qa.elements import total
from stereo_tasks.qa.intensity_spectrum import SHOWER_COUNTS, intensity_spectrum


def run_rates(
    coincide: Sequence[Record],
    merge: Mapping[str, Sequence[Record]],
    stereo: Sequence[Record],
    zenith_deg: float | None,
) -> dict[str, float | None]:
    """Return rates and what the showers tell of LST-1's light, by the names of the metrics; None where no record tells.

    Parameters
    ----------
    coincide, stereo : sequence of Record
        Of the subruns of LST-1.
    merge : mapping of str to sequence of Record
        Of MAGIC's runs at the time of the run, by telescope.
    zenith_deg : float, optional
        Mean zenith distance in deg.
    """
    live_s = total(coincide, "lst_live_s")
    magic = {name: ratio(total(records, "events_out"), total(records, "alive_s")) for name, records in merge.items()}
    counts = {name: number for name in SHOWER_COUNTS if (number := total(coincide, name)) is not None}
    light = intensity_spectrum(counts, live_s, zenith_deg) if live_s and zenith_deg is not None else None
    return {
        "lst1_rate_hz": ratio(total(coincide, "lst_showers"), live_s),
        "m1_rate_hz": magic["M1"],
        "m2_rate_hz": magic["M2"],
        "m1_m2_rate_ratio": ratio(magic["M1"], magic["M2"]),
        "rate_126_hz": light.rate_126_hz if light else None,
        "rate_422_per_s_pe": light.rate_422_per_s_pe if light else None,
        "index_422": light.index_422 if light else None,
        "coincident_kept": ratio(total(stereo, "events_out"), total(stereo, "events_in")),
    }


def offset_changes(offsets: Iterable[tuple[int, float | None, float]]) -> dict[str, float | None]:
    """Return the largest step of the time offset between subruns, and how far it drifts in the run, in us.

    Parameters
    ----------
    offsets : iterable of (int, float or None, float)
        Number of the subrun, its time offset in us, and the number of coincidences that tell it.
    """
    known = [(subrun, offset, weight) for subrun, offset, weight in offsets if offset is not None]
    if len(known) < 2:
        return {"time_offset_step_us": None, "time_offset_drift_us": None}
    subrun, offset, weight = np.array(known, dtype=float).T
    # A straight line through the offsets; numpy wants weights of the residuals, not of their squares.
    slope = np.polyfit(subrun, offset, 1, w=np.sqrt(weight))[0]
    return {
        "time_offset_step_us": float(np.abs(np.diff(offset)).max()),
        "time_offset_drift_us": float(abs(slope) * (subrun.max() - subrun.min())),
    }


def ratio(number: float | None, by: float | None) -> float | None:
    """Divide, where both are known and there is something to divide by."""
    return number / by if number is not None and by else None
