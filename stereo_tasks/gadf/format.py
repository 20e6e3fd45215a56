"""What GADF 0.3 demands of each HDU, as data.

Source: "Data formats for gamma-ray astronomy" v0.3 (https://doi.org/10.5281/zenodo.7304668), the pages of events, GTI,
time, HDU classes, IRFs and index tables. Where they name two values for one card (``HDUCLASS``: OGIP on the page of
events, GADF on that of HDU classes), both are right.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "0.3"
DOCUMENT = "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"

QUALITY = {"good": 0, "warning": 1, "bad": 2}
"""``QUALITY`` of the observation index by the verdict of a run: best, for detection only, not to be used."""
UNKNOWN_QUALITY = -1


@dataclass(frozen=True, slots=True)
class Card:
    """A header card that must be there."""

    kind: type[str] | type[int] | type[float]
    values: tuple[str | int | float, ...] = ()
    """What it may be; anything of its kind if empty."""
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column that must be there."""

    unit: str = ""
    """Unit of the format; another one of the same dimension will do."""
    text: bool = False


_RA, _ANGLE = Card(float, least=0, most=360), Card(float, least=-90, most=90)

CLASS_CARDS = {
    "HDUCLASS": Card(str, ("GADF", "OGIP")),
    "HDUDOC": Card(str),
    "HDUVERS": Card(str, (VERSION, f"v{VERSION}")),
}
TIME_CARDS = {
    "MJDREFI": Card(int),
    "MJDREFF": Card(float, least=0, most=1),
    "TIMEUNIT": Card(str, ("s",)),
    "TIMESYS": Card(str),
    "TIMEREF": Card(str),
}
PLACE_CARDS = {"GEOLON": Card(float, least=-180, most=360), "GEOLAT": _ANGLE, "ALTITUDE": Card(float)}

EVENTS_CARDS = {
    **CLASS_CARDS,
    "HDUCLAS1": Card(str, ("EVENTS",)),
    "OBS_ID": Card(int),
    **TIME_CARDS,
    **PLACE_CARDS,
    "TSTART": Card(float),
    "TSTOP": Card(float),
    "ONTIME": Card(float, least=0),
    "LIVETIME": Card(float, least=0),
    "DEADC": Card(float, least=0, most=1),
    "OBS_MODE": Card(str, ("POINTING", "RASTER", "SLEW", "SCAN", "DRIFT")),
    "RA_PNT": _RA,
    "DEC_PNT": _ANGLE,
    "EQUINOX": Card(float, (2000.0,)),
    "RADECSYS": Card(str, ("ICRS", "FK5")),
    "ORIGIN": Card(str),
    "TELESCOP": Card(str),
    "INSTRUME": Card(str),
    "CREATOR": Card(str),
}
EVENTS_COLUMNS = {
    "EVENT_ID": Column(),
    "TIME": Column("s"),
    "RA": Column("deg"),
    "DEC": Column("deg"),
    "ENERGY": Column("TeV"),
}
GTI_CARDS = {**CLASS_CARDS, "HDUCLAS1": Card(str, ("GTI",)), **TIME_CARDS}
GTI_COLUMNS = {"START": Column("s"), "STOP": Column("s")}
POINTING_CARDS = {**CLASS_CARDS, "HDUCLAS1": Card(str, ("POINTING",)), **TIME_CARDS}
POINTING_COLUMNS = {"TIME": Column("s"), "RA_PNT": Column("deg"), "DEC_PNT": Column("deg")}

RESPONSE_CARDS = {
    **CLASS_CARDS,
    "HDUCLAS1": Card(str, ("RESPONSE",)),
    "HDUCLAS2": Card(str),
    "HDUCLAS3": Card(str, ("POINT-LIKE", "FULL-ENCLOSURE")),
    "HDUCLAS4": Card(str),
}


@dataclass(frozen=True, slots=True)
class Response:
    """One kind of instrument response: its axes (``_LO`` and ``_HI`` columns) and its values."""

    axes: dict[str, str]
    """Unit of each axis."""
    values: str
    unit: str


RESPONSES = {
    "AEFF_2D": Response({"ENERG": "TeV", "THETA": "deg"}, "EFFAREA", "m2"),
    "EDISP_2D": Response({"ENERG": "TeV", "MIGRA": "", "THETA": "deg"}, "MATRIX", ""),
    "RAD_MAX_2D": Response({"ENERG": "TeV", "THETA": "deg"}, "RAD_MAX", "deg"),
    "BKG_2D": Response({"ENERG": "TeV", "THETA": "deg"}, "BKG", "s-1 MeV-1 sr-1"),
    "PSF_TABLE": Response({"ENERG": "TeV", "THETA": "deg", "RAD": "deg"}, "RPSF", "sr-1"),
}
"""By ``HDUCLAS4``. Others are not looked into."""
NEEDED_RESPONSES = ("AEFF_2D", "EDISP_2D")
"""Without these, nobody makes a spectrum of the events."""

HDU_INDEX_CARDS = {**CLASS_CARDS, "HDUCLAS1": Card(str, ("INDEX",)), "HDUCLAS2": Card(str, ("HDU",))}
HDU_INDEX_COLUMNS = {
    "OBS_ID": Column(),
    **dict.fromkeys(("HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME"), Column(text=True)),
}
OBS_INDEX_CARDS = {
    **CLASS_CARDS,
    "HDUCLAS1": Card(str, ("INDEX",)),
    "HDUCLAS2": Card(str, ("OBS",)),
    **TIME_CARDS,
    **PLACE_CARDS,
}
OBS_INDEX_COLUMNS = {
    "OBS_ID": Column(),
    "OBS_MODE": Column(text=True),
    **dict.fromkeys(("RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "ZEN_PNT"), Column("deg")),
    **dict.fromkeys(("TSTART", "TSTOP"), Column("s")),
    "QUALITY": Column(),
}
"""With ``ZEN_PNT`` and ``QUALITY``, which the format leaves open: runs are chosen by them."""
