"""MAGIC alone: what MARS's melibea made of exactly the stereo events."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.standalone import (
    ID_COLUMNS,
    Column,
    StandaloneFileError,
    Wanted,
    chosen,
    files_by_run,
    number_lost,
    put_together,
    wanted_by_run,
)

TREE = "Events"
NAME = re.compile(r"\d{8}_(?P<run>\d{8})(?:\.\d{3})?_Q_.+\.root", re.ASCII)
EXAMPLE = "20201219_05093711_Q_CrabNebula-W0.40+035.root"
ROWS_A_BLOCK = 100_000
"""Some 30 MB."""

EVENT = "MRawEvtHeader_1.fStereoEvtNumber"
TIME = ("MTime_1.fMjd", "MTime_1.fTime.fMilliSec", "MTime_1.fNanoSec")
"""Day, milliseconds of the day, nanoseconds of the millisecond. ``fClockCounter`` is no time: it counts ticks."""

MJD_OF_UNIX_EPOCH, DAY_S = 40587, 86400

Floats = npt.NDArray[np.float64]
Branches = Mapping[str, npt.NDArray[Any]]


class _Source(NamedTuple):
    branch: str
    convert: Callable[[Floats], Floats]
    column: Column


def _times(factor: float) -> Callable[[Floats], Floats]:
    return lambda values: values * factor


def _if_found(factor: float) -> Callable[[Floats], Floats]:
    """MARS writes -1 for what it could not reconstruct: no value, and none that a mean should contain."""
    return lambda values: np.where(values >= 0, values * factor, np.nan)


def _gammaness(hadronness: Floats) -> Floats:
    return np.where((hadronness >= 0) & (hadronness <= 1), 1 - hadronness, np.nan)


_SAME, _HOURS, _FROM_MM, _FROM_CM = _times(1), _times(15), _times(1e-3), _if_found(1e-2)
_RAD_TO_DEG, _TO_RAD = _times(180 / math.pi), _times(math.pi / 180)


def _telescope(number: int) -> dict[str, _Source]:
    name = f"M{number}"
    camera, disp = f"MSrcPosCam_{number}", f"MStereoParDisp.f{name}Impact"
    return {
        f"intensity_{name}": _Source(f"MHillas_{number}.fSize", _SAME, Column("p.e.", f"light of the image in {name}")),
        f"psi_{name}": _Source(f"MHillas_{number}.fDelta", _RAD_TO_DEG, Column("deg", f"orientation of the image in {name}")),
        f"src_pos_x_{name}": _Source(f"{camera}.fX", _FROM_MM, Column("m", f"the source in the camera of {name}, MARS's x")),
        f"src_pos_y_{name}": _Source(f"{camera}.fY", _FROM_MM, Column("m", f"the source in the camera of {name}, MARS's y")),
        f"imp_par_{name}": _Source(disp, _FROM_CM, Column("m", f"impact distance from {name}")),
        f"imp_par_az_{name}": _Source(f"{disp}Az", _SAME, Column("deg", f"azimuth of the impact seen from {name}")),
    }


_SOURCES = {
    "reco_energy": _Source("MEnergyEst.fEnergy", _if_found(1e-3), Column("TeV", "energy; missing where there is none")),
    "gammaness": _Source("MHadronness.fHadronness", _gammaness, Column("", "1 - hadronness")),
    "reco_ra": _Source("MStereoParDisp.fDirectionRA", _HOURS, Column("deg", "right ascension of the direction")),
    "reco_dec": _Source("MStereoParDisp.fDirectionDec", _SAME, Column("deg", "declination of the direction")),
    "st_dirX": _Source("MStereoParDisp.fDirectionX", _SAME, Column("deg", "direction in the camera, MARS's x")),
    "st_dirY": _Source("MStereoParDisp.fDirectionY", _SAME, Column("deg", "direction in the camera, MARS's y")),
    "h_max": _Source("MStereoParDisp.fMaxHeight", _FROM_CM, Column("m", "height of the shower maximum")),
    "pointing_ra": _Source("MPointingPos_1.fRa", _HOURS, Column("deg", "right ascension of the pointing")),
    "pointing_dec": _Source("MPointingPos_1.fDec", _SAME, Column("deg", "declination of the pointing")),
    "pointing_alt": _Source(
        "MPointingPos_1.fZd", lambda zenith: np.deg2rad(90 - zenith), Column("rad", "altitude of the pointing")
    ),
    "pointing_az": _Source("MPointingPos_1.fAz", _TO_RAD, Column("rad", "azimuth of the pointing, north over east")),
    "delta_t": _Source("MRawEvtHeader_1.fTimeDiff", _SAME, Column("s", "time since the trigger before")),
    **_telescope(1),
    **_telescope(2),
}

COLUMNS: dict[str, Column] = {
    **ID_COLUMNS,
    "timestamp": Column("s", "unix time of the event in M1"),
    **{name: source.column for name, source in _SOURCES.items()},
}
"""Columns of the table, with unit and meaning; pointings are in rad and other angles in deg, as in the stereo DL2."""


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
    StandaloneFileError
        If a file is truncated, has another layout, or a name that gives no run.
    ValueError
        If an event occurs twice in `events`.
    """
    by_run = files_by_run(files, NAME, EXAMPLE)
    parts: list[pd.DataFrame] = []
    lost: list[str] = []
    for wanted in wanted_by_run(events, events["obs_id_magic"], events["event_id_magic"]):
        own = by_run.get(wanted.run, [])
        if not own:
            lost.append(f"MAGIC run {wanted.run}: no melibea file, {len(wanted.event_id)} stereo events are missing")
            continue
        part = pd.concat([_table(block, wanted) for path in own for block in _blocks(path)])
        if text := number_lost(wanted, part.index.nunique(), "MAGIC", own):
            lost.append(text)
        if len(part) and part["timestamp"].isna().all():
            lost.append(f"MAGIC run {wanted.run}: no time stamps, there is no MTime_1 in {own[0].name}")
        parts.append(part)
    return put_together(parts, events, ("timestamp", *_SOURCES), lost)


def _blocks(path: Path) -> Iterator[Branches]:
    """Read the branches that are needed of a file, some rows at a time."""
    import uproot

    needed = [EVENT, *(source.branch for source in _SOURCES.values())]
    try:
        with uproot.open(path) as file:
            tree = file[TREE]
            there = {name.rsplit("/", 1)[-1] for name in tree.keys(recursive=True)}
            missing = sorted(set(needed) - there)
            if not missing:
                branches = [*needed, *(name for name in TIME if name in there)]
                yield from tree.iterate(branches, step_size=ROWS_A_BLOCK, library="np")
    except Exception as error:
        # What uproot and its decompressors raise on half a file has no common base.
        raise StandaloneFileError(f"{path}: truncated or damaged, or without a tree {TREE} ({error})") from error
    if missing:
        raise StandaloneFileError(f"{path}: it lacks {', '.join(missing)}; a melibea (_Q_) file of MARS is needed")


def _table(block: Branches, wanted: Wanted) -> pd.DataFrame:
    rows, place = chosen(wanted, block[EVENT].astype(np.int64))
    columns = {"timestamp": _unix_s(block, rows)}
    columns |= {name: source.convert(block[source.branch][rows].astype(np.float64)) for name, source in _SOURCES.items()}
    for number in (1, 2):
        columns[f"imp_par_az_M{number}"][np.isnan(columns[f"imp_par_M{number}"])] = np.nan
    return pd.DataFrame(columns, index=wanted.index[place])


def _unix_s(block: Branches, rows: npt.NDArray[np.intp]) -> Floats:
    if not set(TIME) <= block.keys():
        return np.full(len(rows), np.nan)
    day, milliseconds, nanoseconds = (block[name][rows].astype(np.int64) for name in TIME)
    whole, rest = np.divmod(milliseconds, 1000)
    return np.asarray((day - MJD_OF_UNIX_EPOCH) * DAY_S + whole + (rest * 1_000_000 + nanoseconds) * 1e-9)
