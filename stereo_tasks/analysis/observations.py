"""Observations of a source in a folder of DL3 with an index."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import DataStore, Observation

from stereo_tasks.analysis.errors import AnalysisError
from stereo_tasks.gadf.check import HDU_INDEX, OBS_INDEX
from stereo_tasks.gadf.format import QUALITY

_BROKEN = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError)
"""What astropy and gammapy raise for files that are truncated or are no DL3."""
_BAD = QUALITY["bad"]

# gammapy says so of every IRF with a single bin of offset, which is what point-like IRFs have.
logging.getLogger("gammapy.maps.axes").addFilter(lambda record: "axis is stored as a scalar" not in record.getMessage())


@dataclass(frozen=True, slots=True)
class SourceObservations:
    """What a folder has of a source, in the order of time."""

    source: SkyCoord
    observations: tuple[Observation, ...]
    left_out: Mapping[int, str]
    """Observations of the source that are not used, with the reason."""


def find_observations(
    folder: Path, name: str, position: SkyCoord | None, *, offset_max_deg: float, use_bad: bool = False
) -> SourceObservations:
    """Open the observations of a source.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with ``hdu-index.fits.gz`` and ``obs-index.fits.gz``.
    name : str
        Name of the source; without `position` that of ``OBJECT`` in the headers.
    position : astropy.coordinates.SkyCoord or None
        Position of the source; None takes ``RA_OBJ`` and ``DEC_OBJ`` of the headers.
    offset_max_deg : float
        An observation belongs to the source if it points closer than this, in deg.
    use_bad : bool
        Also use observations with ``QUALITY`` 2.

    Raises
    ------
    AnalysisError
        If index or files are missing or cannot be read, or none is of the source.
    """
    store = _open(folder)
    headers = {int(obs_id): _header(store, int(obs_id)) for obs_id in store.hdu_table.obs_id_unique}
    source = position or _position_in(headers, name)
    quality = _qualities(store)
    left_out: dict[int, str] = {}
    found = []
    for obs_id, header in headers.items():
        pointing = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg")
        if pointing.separation(source).deg > offset_max_deg:
            continue
        if quality.get(obs_id) == _BAD and not use_bad:
            left_out[obs_id] = f"QUALITY {_BAD}: bad"
            continue
        found.append(_load(store, obs_id))
    if not found:
        raise AnalysisError(
            f"no observation of {name} in {folder} that can be used: "
            + (f"all {len(left_out)} have QUALITY {_BAD}; --all uses them" if left_out else _contents(headers))
        )
    found.sort(key=lambda observation: observation.tstart)
    return SourceObservations(source, tuple(found), left_out)


def _open(folder: Path) -> DataStore:
    if not folder.is_dir():
        raise AnalysisError(f"{folder} is no folder: give the one that holds {HDU_INDEX}")
    for name in (HDU_INDEX, OBS_INDEX):
        if not (folder / name).is_file():
            raise AnalysisError(f"{folder} has no {name}: give a folder of DL3 with an index, such as that of a night")
    try:
        return DataStore.from_dir(folder)
    except _BROKEN as error:
        raise AnalysisError(f"the index in {folder} cannot be read ({error}): make it again") from error


def _header(store: DataStore, obs_id: int) -> fits.Header:
    """Return the header of the events, which must say where the telescopes pointed."""
    location = store.hdu_table.hdu_location(obs_id=obs_id, hdu_type="events")
    if location is None:
        raise AnalysisError(f"the index lists no events of observation {obs_id}: make it again")
    path = location.path()
    try:
        header = fits.getheader(path, location.hdu_name)
        float(header["RA_PNT"]), float(header["DEC_PNT"])
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    return header


def _load(store: DataStore, obs_id: int) -> Observation:
    """Read everything now: gammapy reads lazily, and a broken file should show here, not later."""
    try:
        observation = store.obs(obs_id, required_irf=["aeff", "edisp"])
        observation.events = observation.events
        for part in (observation.gti, observation.aeff, observation.edisp):
            if part is None:
                raise ValueError("events, GTI, effective area or energy dispersion are missing")
        if observation.aeff.is_pointlike and observation.rad_max is None:
            raise ValueError("point-like IRFs without a theta cut: RAD_MAX is missing")
        if not observation.aeff.is_pointlike and observation.psf is None:
            raise ValueError("full-enclosure IRFs without a point spread function")
    except _BROKEN as error:
        raise _unreadable(store.hdu_table.hdu_location(obs_id=obs_id, hdu_type="events").path(), error) from error
    return observation


def _unreadable(path: Path, error: Exception) -> AnalysisError:
    return AnalysisError(f"{path} cannot be read ({error}); `stereo check-dl3 {path.parent}` says what is wrong")


def _qualities(store: DataStore) -> dict[int, int]:
    table = store.obs_table
    if table is None or "QUALITY" not in table.colnames:
        return {}
    return {int(row["OBS_ID"]): int(row["QUALITY"]) for row in table}


def _position_in(headers: Mapping[int, fits.Header], name: str) -> SkyCoord:
    for header in headers.values():
        if _plain(str(header.get("OBJECT", ""))) == _plain(name) and {"RA_OBJ", "DEC_OBJ"} <= set(header):
            return SkyCoord(header["RA_OBJ"], header["DEC_OBJ"], unit="deg")
    raise AnalysisError(
        f"no observation of {name}: {_contents(headers)}; its position can be given in config/sources.yaml"
    )


def _contents(headers: Mapping[int, fits.Header]) -> str:
    names = sorted({str(header.get("OBJECT", "without a name")) for header in headers.values()})
    return f"the {len(headers)} observations are of {', '.join(names) or 'nothing'}"


def _plain(name: str) -> str:
    """Return a name without what people write differently: blanks, hyphens, capitals."""
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "+")
