"""MAGIC alone: what MARS's melibea made of exactly the stereo events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.standalone import (
    MAGIC_IDS,
    Floats,
    Sources,
    Wanted,
    as_is,
    files_by_run,
    in_order_of,
    not_found,
    taken,
    to_deg,
    wanted_by_run,
)

TREE = "Events"
NAME = re.compile(r"\d{8}_(?P<run>\d{8})(?:\.\d{3})?_Q_.+\.root", re.ASCII)
EXAMPLE = "20201219_05093711_Q_CrabNebula-W0.40+035.root"
ROWS_A_BLOCK = 100_000
"""Some 20 MB."""

_EVENT_NUMBER = "MRawEvtHeader_1.fStereoEvtNumber"
_TIME = ("MTime_1.fMjd", "MTime_1.fTime.fMilliSec", "MTime_1.fNanoSec")
"""Day, milliseconds of the day, nanoseconds of the millisecond. ``fClockCounter`` is no time: it counts ticks."""

_MJD_OF_UNIX_EPOCH, _DAY_S = 40587, 86400


def _gev_to_tev(values: Floats) -> Floats:
    """MARS writes -1 GeV where it has no energy: missing, and nothing for a mean."""
    return np.where(values > 0, values * 1e-3, np.nan)


def _cm_to_m(values: Floats) -> Floats:
    """MARS writes -1 cm for a distance that it does not have."""
    return np.where(values >= 0, values * 1e-2, np.nan)


def _mm_to_m(values: Floats) -> Floats:
    return values * 1e-3


def _hours_to_deg(values: Floats) -> Floats:
    return values * 15


def _zenith_to_altitude_rad(values_deg: Floats) -> Floats:
    return np.deg2rad(90 - values_deg)


def _to_rad(values_deg: Floats) -> Floats:
    return np.deg2rad(values_deg)


def _gammaness(hadronness: Floats) -> Floats:
    return np.where((hadronness >= 0) & (hadronness <= 1), 1 - hadronness, np.nan)


def _of_telescope(number: int) -> Sources:
    camera, impact = f"MSrcPosCam_{number}", f"MStereoParDisp.fM{number}Impact"
    return {
        f"intensity_M{number}": (f"MHillas_{number}.fSize", as_is),
        f"psi_M{number}": (f"MHillas_{number}.fDelta", to_deg),
        f"src_pos_x_M{number}": (f"{camera}.fX", _mm_to_m),
        f"src_pos_y_M{number}": (f"{camera}.fY", _mm_to_m),
        f"imp_par_M{number}": (impact, _cm_to_m),
        f"imp_par_az_M{number}": (f"{impact}Az", as_is),
    }


_SOURCES: Sources = {
    "timestamp": ("timestamp", as_is),
    "pointing_alt": ("MPointingPos_1.fZd", _zenith_to_altitude_rad),
    "pointing_az": ("MPointingPos_1.fAz", _to_rad),
    "pointing_ra": ("MPointingPos_1.fRa", _hours_to_deg),
    "pointing_dec": ("MPointingPos_1.fDec", as_is),
    "delta_t": ("MRawEvtHeader_1.fTimeDiff", as_is),
    "reco_energy": ("MEnergyEst.fEnergy", _gev_to_tev),
    "gammaness": ("MHadronness.fHadronness", _gammaness),
    "reco_ra": ("MStereoParDisp.fDirectionRA", _hours_to_deg),
    "reco_dec": ("MStereoParDisp.fDirectionDec", as_is),
    "st_dirX": ("MStereoParDisp.fDirectionX", as_is),
    "st_dirY": ("MStereoParDisp.fDirectionY", as_is),
    "h_max": ("MStereoParDisp.fMaxHeight", _cm_to_m),
    **_of_telescope(1),
    **_of_telescope(2),
}
"""MARS: GeV, cm on the ground, mm in the camera, right ascensions in hours, Delta in rad and other angles in deg."""

COLUMNS = (*EVENT, *MAGIC_IDS, *_SOURCES)
"""Columns of the table; `stereo_tasks.datasets.columns` has their units and meanings."""


def magic_events(files: Iterable[Path], events: pd.DataFrame) -> pd.DataFrame:
    """Return what melibea made of the stereo events.

    Parameters
    ----------
    files : iterable of pathlib.Path
        Melibea (``_Q_``) files, any number a run; those of runs without stereo events are not opened.
    events : pandas.DataFrame
        The stereo events, each once: indexed by (obs_id, event_id), with columns obs_id_magic and event_id_magic.

    Returns
    -------
    pandas.DataFrame
        Indexed by (obs_id, event_id) in the order of `events`, with `COLUMNS`; what melibea could not reconstruct is
        missing (NaN). Its ``attrs`` hold ``lost``: what is missing, of which run.

    Raises
    ------
    DatasetError
        If a file is truncated, has another layout, or a name that gives no run; if an event occurs twice in `events`.
    """
    by_run = files_by_run(files, NAME, EXAMPLE)
    parts: list[pd.DataFrame] = []
    lost: list[str] = []
    for wanted in wanted_by_run(events, *MAGIC_IDS):
        own = by_run.get(wanted.run, [])
        if not own:
            lost.append(f"MAGIC run {wanted.run}: no melibea file, {len(wanted.event_id)} stereo events are missing")
            continue
        part = pd.concat([_table(block, wanted) for path in own for block in _blocks(path)])
        lost += not_found(wanted, part, "MAGIC", own)
        if timeless := int(part["timestamp"].isna().sum()):
            lost.append(f"MAGIC run {wanted.run}: no time of {timeless} events, there is no MTime_1")
        parts.append(part)
    return in_order_of(events, parts, _SOURCES, lost)


def _table(block: Mapping[str, npt.NDArray[Any]], wanted: Wanted) -> pd.DataFrame:
    block = {**block, "timestamp": _unix_s(block)}
    table = taken(block, block[_EVENT_NUMBER].astype(np.int64), wanted.run, wanted, _SOURCES)
    for number in (1, 2):
        # A negative azimuth is one: whether there is an impact point, only its distance says.
        table.loc[table[f"imp_par_M{number}"].isna(), f"imp_par_az_M{number}"] = np.nan
    return table


def _unix_s(block: Mapping[str, npt.NDArray[Any]]) -> Floats:
    if not set(_TIME) <= block.keys():
        return np.full(len(block[_EVENT_NUMBER]), np.nan)
    day, milliseconds, nanoseconds = (block[name].astype(np.int64) for name in _TIME)
    whole, rest = np.divmod(milliseconds, 1000)
    # Whole seconds first: a float64 keeps unix times to 0.24 us.
    return np.asarray((day - _MJD_OF_UNIX_EPOCH) * _DAY_S + whole + (rest * 1_000_000 + nanoseconds) * 1e-9)


def _blocks(path: Path) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
    """Yield the branches that are needed, some rows at a time.

    Raises
    ------
    DatasetError
        If the file is truncated, or no melibea file.
    """
    import uproot

    needed = [_EVENT_NUMBER, *(name for name, _ in _SOURCES.values() if name != "timestamp")]
    try:
        with uproot.open(path) as file:
            tree = file[TREE]
            there = {name.rpartition("/")[2] for name in tree.keys(recursive=True)}
            missing = sorted(set(needed) - there)
            branches = [] if missing else [*needed, *(name for name in _TIME if name in there)]
            if branches:
                yield from tree.iterate(branches, step_size=ROWS_A_BLOCK, library="np")
    except Exception as error:
        # What uproot and its decompressors raise on half a file has no common base.
        raise DatasetError(
            f"{path}: truncated or damaged, or no file of MARS ({type(error).__name__}); copy it again"
        ) from error
    if missing:
        raise DatasetError(f"{path}: it lacks {', '.join(missing)}; a melibea (_Q_) file of MARS has them")
