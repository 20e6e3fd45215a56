"""Bring DL3 of magic-cta-pipe 0.6.2 to its format: cards it leaves out, odd values, times, check sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits

from stereo_tasks.gadf import format as gadf
from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.gadf.times import count_from_reference

ORIGIN, TELESCOP = "CTA", "CTA-N"
"""As magic-cta-pipe and lstchain have them in their IRFs and index tables."""

_WOBBLE = (
    ("WOBOFF", "pointing to object (deg)"),
    ("WOBPA", "of the pointing, N to E (deg)"),
)


def amend_dl3(hdus: fits.HDUList, creator: str) -> None:
    """Put into the headers of a DL3 file what the format demands.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The file, changed in place.
    creator : str
        The program that made it, with its version.
    """
    count_from_reference(hdus)
    events = hdus["EVENTS"].header
    events.add_history("stereo-nights: cards that GADF 0.3 demands were added; OBS_MODE was " + str(events["OBS_MODE"]))
    for hdu in hdus[1:]:
        _declare(hdu.header)
        _put(hdu.header, {"ORIGIN": ORIGIN, "TELESCOP": TELESCOP, "INSTRUME": events["INSTRUME"]})
        if hdu.header.get("HDUCLAS1") != "RESPONSE":
            hdu.header["CREATOR"] = creator
        elif "RAD_MAX" in hdus["EFFECTIVE AREA"].header:  # the tool says it there alone
            hdu.header["RAD_MAX"] = (hdus["EFFECTIVE AREA"].header["RAD_MAX"], "deg")
    _put(events, {"RADECSYS": "ICRS", "RADESYS": "ICRS", "EQUINOX": 2000.0})
    events["OBS_MODE"] = "POINTING"  # a wobble is that; how far and where to stands in cards of its own
    for (card, comment), value in zip(_WOBBLE, wobble(events), strict=True):
        events[card] = (value, comment)
    for hdu in hdus:
        hdu.add_checksum()


def wobble(events: Mapping[str, Any]) -> tuple[float, float]:
    """Return distance and direction of the pointing from the object, in deg; the direction from north to east."""
    pointing, target = (
        SkyCoord(events[f"RA_{what}"] * u.deg, events[f"DEC_{what}"] * u.deg) for what in ("PNT", "OBJ")
    )
    offset, angle = target.separation(pointing), target.position_angle(pointing)
    return round(float(offset.to_value(u.deg)), 6), round(float(angle.wrap_at(360 * u.deg).to_value(u.deg)), 3)


def amend_index(hdu_index: Path, obs_index: Path, events: Mapping[int, fits.Header]) -> None:
    """Bring the index files of magic-cta-pipe 0.6.2 to their format; of the quality nothing is known yet.

    Parameters
    ----------
    hdu_index, obs_index : pathlib.Path
        Changed in place: they lie in a working folder.
    events : mapping of int to astropy.io.fits.Header
        The header of the events by observation.
    """
    with fits.open(hdu_index, memmap=False) as hdus:
        # Readers would be led to the folder in which the index was made, and not to the one in which they found it.
        hdus[1].header.remove("BASE_DIR", ignore_missing=True)
        _declare(hdus[1].header)
        hdus.writeto(hdu_index, overwrite=True, checksum=True)
    numbers, header = _observations(obs_index)
    _declare(header)
    _put(header, {card: events[numbers[0]][card] for card in (*gadf.TIME_CARDS, *gadf.PLACE_CARDS)})
    offsets, angles = np.array([wobble(events[number]) for number in numbers]).T
    new = [
        fits.Column("OBS_MODE", "8A", array=np.array([events[number]["OBS_MODE"] for number in numbers])),
        fits.Column("WOBOFF", "D", "deg", array=offsets),
        fits.Column("WOBPA", "D", "deg", array=angles),
    ]
    _write_observations(obs_index, header, [*new, *_judgement_columns(numbers, {})])


def judge_index(obs_index: Path, judgements: Mapping[int, Judgement]) -> None:
    """Write into an observation index what quality assurance says of each observation.

    Parameters
    ----------
    obs_index : pathlib.Path
        Changed in place: it lies in a working folder.
    judgements : mapping of int to Judgement
        By observation; of those that are not in it, nothing is known.
    """
    numbers, header = _observations(obs_index)
    _write_observations(obs_index, header, _judgement_columns(numbers, judgements))


def _judgement_columns(numbers: Sequence[int], judgements: Mapping[int, Judgement]) -> list[fits.Column]:
    rows = [judgements.get(number, Judgement()) for number in numbers]
    causes = np.array([row.lost_cause for row in rows])
    return [
        fits.Column("QUALITY", "K", array=np.array([row.quality for row in rows])),
        fits.Column("LOST_TIME", "D", "s", array=np.array([row.lost_time_s for row in rows])),
        fits.Column("LOST_CAUSE", f"{max(causes.dtype.itemsize // 4, 1)}A", array=causes),
    ]


def _observations(obs_index: Path) -> tuple[list[int], fits.Header]:
    with fits.open(obs_index) as hdus:
        return [int(number) for number in hdus[1].data["OBS_ID"]], hdus[1].header.copy()


def _write_observations(obs_index: Path, header: fits.Header, new: Sequence[fits.Column]) -> None:
    with fits.open(obs_index, memmap=False) as hdus:
        table = hdus[1]
        names = {column.name for column in new}
        columns = [*(column for column in table.columns if column.name not in names), *new]
        amended = fits.BinTableHDU.from_columns(columns, header=header, name=table.name)
    fits.HDUList([fits.PrimaryHDU(), amended]).writeto(obs_index, overwrite=True, checksum=True)


def _declare(header: fits.Header) -> None:
    _put(header, {"HDUCLASS": "GADF", "HDUDOC": gadf.DOCUMENT, "HDUVERS": gadf.VERSION})
    if "MJDREFI" in header:
        header["MJDREFI"] = int(header["MJDREFI"])


def _put(header: fits.Header, cards: Mapping[str, Any]) -> None:
    for name, value in cards.items():
        header[name] = value
