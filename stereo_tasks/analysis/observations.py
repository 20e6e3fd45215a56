"""Observations of a source in folders of DL3 with an index."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import DataStore, Observation

from stereo_tasks.analysis.errors import AnalysisError, NothingToAnalyseError
from stereo_tasks.gadf.check import HDU_INDEX, OBS_INDEX
from stereo_tasks.gadf.format import QUALITY

_BROKEN = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError)
"""What astropy and gammapy raise for files that are truncated or are no DL3."""
_BAD = QUALITY["bad"]

# gammapy says so of every IRF with a single bin of offset, which is what point-like IRFs have.
logging.getLogger("gammapy.maps.axes").addFilter(lambda record: "axis is stored as a scalar" not in record.getMessage())


@dataclass(frozen=True, slots=True)
class SourceObservations:
    """What folders have of a source, in the order of time."""

    source: SkyCoord
    observations: tuple[Observation, ...]
    left_out: Mapping[int, str]
    """Observations of the source that are not used, with the reason."""
    headers: Mapping[int, fits.Header]
    """Of the events of all observations of the source, used or not."""
    quality: Mapping[int, int]
    """``QUALITY`` of the index, where it has any."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """An observation as the index of its folder lists it."""

    store: DataStore
    header: fits.Header


def find_observations(
    folders: Sequence[Path], name: str, position: SkyCoord | None, *, offset_max_deg: float, use_bad: bool = False
) -> SourceObservations:
    """Open the observations of a source.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        Folders with ``hdu-index.fits.gz`` and ``obs-index.fits.gz``, such as those of several nights.
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
        If index or files are missing or cannot be read, or an observation is in two folders.
    NothingToAnalyseError
        If no observation is of the source, or all are bad.
    """
    listed, quality = _listed(folders)
    headers = {obs_id: one.header for obs_id, one in listed.items()}
    source = position or _position_in(headers, name)
    left_out: dict[int, str] = {}
    found = []
    of_source: dict[int, fits.Header] = {}
    for obs_id, header in headers.items():
        pointing = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg")
        if pointing.separation(source).deg > offset_max_deg:
            continue
        of_source[obs_id] = header
        if quality.get(obs_id) == _BAD and not use_bad:
            left_out[obs_id] = f"QUALITY {_BAD}: bad"
            continue
        found.append(_load(listed[obs_id].store, obs_id))
    if not found:
        where = str(folders[0]) if len(folders) == 1 else f"{len(folders)} folders"
        raise NothingToAnalyseError(
            f"no observation of {name} in {where} that can be used: "
            + (f"all {len(left_out)} have QUALITY {_BAD}; --all uses them" if left_out else _contents(headers))
        )
    found.sort(key=lambda observation: observation.tstart)
    return SourceObservations(source, tuple(found), left_out, of_source, quality)


def _listed(folders: Sequence[Path]) -> tuple[dict[int, _Listed], dict[int, int]]:
    """Return the observations of all folders, and their quality."""
    listed: dict[int, _Listed] = {}
    quality: dict[int, int] = {}
    for folder in folders:
        store = _open(folder)
        for obs_id in map(int, store.hdu_table.obs_id_unique):
            if obs_id in listed:
                raise AnalysisError(f"observation {obs_id} is in {folder}, and in a folder before it: give one of them")
            listed[obs_id] = _Listed(store, _header(store, obs_id))
        quality |= _qualities(store)
    return listed, quality


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
    raise NothingToAnalyseError(
        f"no observation of {name}: {_contents(headers)}; its position can be given in config/sources.yaml"
    )


def _contents(headers: Mapping[int, fits.Header]) -> str:
    names = sorted({str(header.get("OBJECT", "without a name")) for header in headers.values()})
    return f"the {len(headers)} observations are of {', '.join(names) or 'nothing'}"


def _plain(name: str) -> str:
    """Return a name without what people write differently: blanks, hyphens, capitals."""
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "+")
