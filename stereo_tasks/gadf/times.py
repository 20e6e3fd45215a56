"""Times of DL3: the instant they count from, and whether events, intervals and dates of a file agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.time import Time

Finding = tuple[str, str]
"""Card or column, and what is wrong with it."""

REFERENCE_MJD = 58392
"""2018-10-01T00:00:00 UTC, from which LST-1's own DL3 counts, too (``LST_EPOCH`` of lstchain 0.12.3).

LST-1 has no data from before, and the last leap second was at the end of 2016: since then, seconds of unix time and
elapsed seconds are the same. GADF 0.3 leaves reference and scale open; UTC is that of ``DATE-OBS`` and ``TIME-OBS``.
"""
TOLERANCE_S = 1e-3
"""By how much times in a header may differ from those they are made of: less than any science needs."""

_DAY_S = 86400
_REFERENCE = ("MJDREFI", "MJDREFF", "TIMESYS")


def count_from_reference(hdus: fits.HDUList) -> None:
    """Let the times of DL3 of magic-cta-pipe 0.6.2 count from `REFERENCE_MJD`.

    The tool writes unix times, with 1970 as their reference. Unix time leaves leap seconds out, and the FITS standard
    counts them (Rots et al. 2015, A&A 574, A36): readers are 29 s early.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The file, changed in place. The differences are exact in float64.
    """
    for hdu in hdus:
        header = hdu.header
        if "MJDREFI" not in header:
            continue
        shift_s = _DAY_S * (header["MJDREFI"] - REFERENCE_MJD + header["MJDREFF"])
        if not shift_s:
            continue
        for name in {"TIME", "START", "STOP"} & set(hdu.columns.names):
            hdu.data[name] = hdu.data[name] + shift_s
        for card in {"TSTART", "TSTOP"} & set(header):
            header[card] += shift_s
        header.add_history(
            f"stereo-nights: times count from MJD {REFERENCE_MJD}, and not from {header['MJDREFI']:.0f} without the "
            "leap seconds since"
        )
        header["MJDREFI"], header["MJDREFF"] = REFERENCE_MJD, 0.0


def check_times(events: Any, gti: Any) -> Iterator[Finding]:
    """Check what ties events, header and good time intervals.

    Parameters
    ----------
    events, gti : astropy.io.fits.BinTableHDU

    Yields
    ------
    tuple of str
        Card or column, and what is wrong with it. Nothing is said where other checks miss what is needed here.
    """
    header = events.header
    wanted = ("TSTART", "TSTOP", "ONTIME", "LIVETIME", "DEADC")
    if any(not isinstance(header.get(name), int | float) for name in wanted):
        return
    if gti.data is None or not len(gti.data):
        return
    if {"START", "STOP"} - set(gti.columns.names) or "TIME" not in events.columns.names:
        return
    order = np.argsort(gti.data["START"])
    start, stop = gti.data["START"][order], gti.data["STOP"][order]
    length_s = float((stop - start).sum())
    if abs(length_s - header["ONTIME"]) > TOLERANCE_S:
        yield "ONTIME", f"is {header['ONTIME']} s, and the good time intervals {length_s:.3f} s"
    if abs(header["DEADC"] * header["ONTIME"] - header["LIVETIME"]) > TOLERANCE_S:
        yield "LIVETIME", f"is {header['LIVETIME']} s, and not ONTIME times DEADC"
    if start.min() < header["TSTART"] - TOLERANCE_S or stop.max() > header["TSTOP"] + TOLERANCE_S:
        yield "TSTART", "good time intervals lie outside of TSTART to TSTOP"
    if outside := _outside(events.data["TIME"], start, stop):
        yield "TIME", f"{outside} events lie outside of the good time intervals"
    yield from _check_instants(header, gti.header, float(start.min()), float(stop.max()))


def reference_of(header: Mapping[str, Any]) -> Time | None:
    """Return the instant from which the times of an HDU count; None if its cards do not say so."""
    whole, fraction, scale = (header.get(name) for name in _REFERENCE)
    numbers = isinstance(whole, int | float) and isinstance(fraction, int | float)
    if not numbers or not isinstance(scale, str) or scale.lower() not in Time.SCALES:
        return None
    return Time(whole, fraction, format="mjd", scale=scale.lower())


def leap_seconds(reference: Time, elapsed_s: float) -> int:
    """Return how many leap seconds a time scale has had between an instant and so many seconds after it."""
    difference_d = reference.mjd + elapsed_s / _DAY_S - (reference + elapsed_s * u.s).mjd
    number: int = round(difference_d * _DAY_S)
    return number


def _outside(times: Any, start: Any, stop: Any) -> int:
    """Return how many times lie in none of the intervals, which rise."""
    before = np.searchsorted(start - TOLERANCE_S, times, side="right") - 1
    within = (before >= 0) & (times <= stop[np.maximum(before, 0)] + TOLERANCE_S)
    return int(np.count_nonzero(~within))


def _check_instants(
    header: Mapping[str, Any], gti: Mapping[str, Any], start_s: float, stop_s: float
) -> Iterator[Finding]:
    """Check the instants that the times stand for, and not only their numbers."""
    reference = reference_of(header)
    if reference is None:
        if "TIMESYS" in header and str(header["TIMESYS"]).lower() not in Time.SCALES:
            yield "TIMESYS", f"is {header['TIMESYS']!r}, which is no time scale of the FITS standard"
        return
    if any(header.get(name) != gti.get(name) for name in _REFERENCE):
        yield "MJDREFI", "events count from another instant than the good time intervals"
        return
    if number := leap_seconds(reference, stop_s):
        yield "MJDREFI", f"{number} leap seconds lie between it and the data: nobody can tell whether they are counted"
    # The sign turns what lies outside into a positive number.
    for card, edge_s, sign in (("DATE-OBS", start_s, 1), ("DATE-END", stop_s, -1)):
        try:
            date = _date(header, card, reference.scale)
        except ValueError:
            yield card, f"is {header[card]!r}, and should be a date as ISO 8601 has it"
            continue
        if date is not None and sign * (date - reference).to_value("s") > sign * edge_s + TOLERANCE_S:
            yield card, f"is {date.isot}, and good time intervals lie outside of that"


def _date(header: Mapping[str, Any], card: str, scale: str) -> Time | None:
    """Return the instant that ``DATE-OBS`` or ``DATE-END`` names, with the time in a card of its own or without."""
    if card not in header:
        return None
    date, time = str(header[card]), str(header.get(card.replace("DATE", "TIME"), ""))
    if "T" in date or not time:
        instant = Time(date, format="isot", scale=scale)
        return instant + 1 * u.d if card == "DATE-END" and "T" not in date else instant
    return Time(f"{date}T{time}", format="isot", scale=scale)
