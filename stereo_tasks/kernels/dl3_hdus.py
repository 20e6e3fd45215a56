"""HDUs of events, good time intervals and pointing, as ``magicctapipe.io.gadf`` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

from stereo_tasks.kernels import irfs as irf
from stereo_tasks.kernels.dl3_events import ORM_HEIGHT_M, ORM_LAT_DEG, ORM_LON_DEG

REFERENCE_CARDS = (
    ("GEOLON", -17.890878999999984, "deg"),
    ("GEOLAT", 28.761578999999994, "deg"),
    ("ALTITUDE", 2199.0, "m"),
)
"""ctapipe_io_lst's reference location of the array, as it stands in the headers."""

TELESCOPES = ("LST1_M1", "LST1_M1_M2", "LST1_M2", "M1_M2")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the configuration asks for."""

    method: str
    scheme: str
    max_distance: str | None
    source_name: str
    source_ra: str
    source_dec: str


def event_hdus(events: Any, on_time: Any, deadc: Any, choices: Choices) -> list[fits.BinTableHDU]:
    """Return the HDUs of events, good time intervals and pointing, as ``magicctapipe.io.gadf`` makes them."""
    import astropy.units as u
    from astropy.table import QTable
    from astropy.time import Time

    fraction, days = np.modf(Time(0, format="unix", scale="utc").mjd)
    reference = [("MJDREFI", days), ("MJDREFF", fraction), ("TIMEUNIT", "s"), ("TIMESYS", "UTC")]
    reference += [("TIMEREF", "TOPOCENTER")]
    obs_id = np.unique(events["obs_id"])[0]
    pointing = _mean_pointing(events)
    first, last = (u.Quantity(events["timestamp"][i], ndmin=1) for i in (0, -1))

    def begin(kind: str) -> list[tuple[Any, ...]]:
        return [("CREATED", irf.now()), ("HDUCLAS1", kind), ("OBS_ID", obs_id)]

    event_hdu = fits.BinTableHDU(
        _event_table(events),
        header=fits.Header(begin("EVENTS") + _event_cards(events, on_time, deadc, choices, reference, pointing)),
        name="EVENTS",
    )
    gti_hdu = fits.BinTableHDU(
        QTable({"START": first, "STOP": last}), header=fits.Header(begin("GTI") + reference), name="GTI"
    )
    names = ("RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT")
    units = ("deg", "deg", "deg", "deg")
    columns = {name: u.Quantity(value, ndmin=1) for name, value in zip(names, pointing, strict=True)}
    for name, unit in zip(names[2:], units[2:], strict=True):
        columns[name] = columns[name].to(unit)
    place = [
        ("OBSGEO-L", ORM_LON_DEG, "Geographic longitude (deg)"),
        ("OBSGEO-B", ORM_LAT_DEG, "Geographic latitude (deg)"),
        ("OBSGEO-H", ORM_HEIGHT_M, "Geographic height (m)"),
    ]
    pointing_hdu = fits.BinTableHDU(
        QTable({"TIME": first, **columns}), header=fits.Header(begin("POINTING") + reference + place), name="POINTING"
    )
    return [event_hdu, gti_hdu, pointing_hdu]


def _event_table(events: Any) -> Any:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    galactic = SkyCoord(ra=events["reco_ra"], dec=events["reco_dec"], frame="icrs").galactic
    return QTable(
        {
            "EVENT_ID": events["event_id"],
            "TIME": events["timestamp"],
            "RA": events["reco_ra"],
            "DEC": events["reco_dec"],
            "ENERGY": events["reco_energy"],
            "GAMMANESS": events["gammaness"],
            "MULTIP": events["multiplicity"],
            "GLON": galactic.l.to("deg"),
            "GLAT": galactic.b.to("deg"),
            "ALT": events["reco_alt"].to("deg"),
            "AZ": events["reco_az"].to("deg"),
        }
    )


def _event_cards(
    events: Any, on_time: Any, deadc: Any, choices: Choices, reference: list[Any], pointing: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    start, stop = (Time(events["timestamp"][i], format="unix", scale="utc") for i in (0, -1))
    start_iso, stop_iso = (time.to_value("iso", "date_hms") for time in (start, stop))
    source = SkyCoord(ra=choices.source_ra, dec=choices.source_dec, frame="icrs")
    combinations = "_".join(TELESCOPES[number] for number in np.unique(events["combo_type"]))
    telescopes = "_".join(sorted(set(combinations.split("_"))))
    ra, dec, alt, az = (value.to_value("deg") for value in pointing)
    return [
        ("DATE-OBS", start_iso[:10]),
        ("TIME-OBS", start_iso[11:]),
        ("DATE-END", stop_iso[:10]),
        ("TIME-END", stop_iso[11:]),
        ("TSTART", start.value),
        ("TSTOP", stop.value),
        *reference,
        ("ONTIME", on_time.value),
        ("TELAPSE", (stop - start).to_value("s")),
        ("DEADC", deadc),
        ("LIVETIME", (on_time * deadc).value),
        ("OBJECT", choices.source_name),
        ("OBS_MODE", "WOBBLE"),
        ("N_TELS", np.max(events["multiplicity"])),
        ("TELLIST", telescopes),
        ("INSTRUME", telescopes),
        *REFERENCE_CARDS,
        ("RA_PNT", ra, "deg"),
        ("DEC_PNT", dec, "deg"),
        ("ALT_PNT", alt, "deg"),
        ("AZ_PNT", az, "deg"),
        ("RA_OBJ", source.ra.to_value("deg"), "deg"),
        ("DEC_OBJ", source.dec.to_value("deg"), "deg"),
        ("FOVALIGN", "RADEC"),
    ]


def _mean_pointing(events: Any) -> tuple[Any, Any, Any, Any]:
    """Return mean RA, Dec, altitude and azimuth without the first 15 % and the last 5 % of the events."""
    from astropy.stats import circmean

    first, last = int(len(events) * 0.15), int(len(events) * (1 - 0.05))
    middle = events[first:last]
    return (
        circmean(middle["pointing_ra"]),
        middle["pointing_dec"].mean(),
        middle["pointing_alt"].mean(),
        circmean(middle["pointing_az"]),
    )
