"""LST-1 alone: the lstchain DL2 of exactly the stereo events, and the effective time of their runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tables

from stereo_tasks.datasets.effective_time import effective_time_s
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

TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"
NAME = re.compile(r"dl2_LST-1\.Run(?P<run>\d{5})(?:\.\d{4})?\.h5", re.ASCII)
EXAMPLE = "dl2_LST-1.Run03281.h5"
ROWS_A_BLOCK = 32_768
"""Some 30 MB of lstchain's rows."""

EFFECTIVE_TIME, ELAPSED_TIME = "effective_time_s", "elapsed_time_s"
"""Keys of `DataFrame.attrs`: by run of LST-1, in s."""

_DEG = 180 / math.pi
_TRIGGERS = ("event_type", "dragon_time", "delta_t")


class _Source(NamedTuple):
    name: str
    factor: float
    column: Column


_SOURCES = {
    "intensity": _Source("intensity", 1, Column("p.e.", "light of the image")),
    "x": _Source("x", 1, Column("m", "centre of the image in the camera, along altitude")),
    "y": _Source("y", 1, Column("m", "centre of the image in the camera, along azimuth")),
    "r": _Source("r", 1, Column("m", "distance of the image from the centre of the camera")),
    "phi": _Source("phi", _DEG, Column("deg", "polar angle of the centre of the image")),
    "length": _Source("length", 1, Column("deg", "length of the image")),
    "width": _Source("width", 1, Column("deg", "width of the image")),
    "psi": _Source("psi", _DEG, Column("deg", "orientation of the image")),
    "time_gradient": _Source("time_gradient", 1, Column("ns / m", "slope of the arrival times along the image")),
    "intercept": _Source("intercept", 1, Column("ns", "arrival time at the centre of the image")),
    "pointing_alt": _Source("alt_tel", 1, Column("rad", "altitude of the pointing")),
    "pointing_az": _Source("az_tel", 1, Column("rad", "azimuth of the pointing, north over east")),
    "dragon_time": _Source("dragon_time", 1, Column("s", "unix time of the event")),
    "delta_t": _Source("delta_t", 1, Column("s", "time since the trigger before; 0 for the first of a file")),
    "reco_energy": _Source("reco_energy", 1, Column("TeV", "energy")),
    "reco_alt": _Source("reco_alt", _DEG, Column("deg", "altitude of the direction")),
    "reco_az": _Source("reco_az", _DEG, Column("deg", "azimuth of the direction, north over east")),
    "gammaness": _Source("gammaness", 1, Column("", "1 for a gamma, 0 for a hadron")),
    "reco_src_x": _Source("reco_src_x", 1, Column("m", "direction in the camera, along altitude")),
    "reco_src_y": _Source("reco_src_y", 1, Column("m", "direction in the camera, along azimuth")),
    "reco_disp_norm": _Source("reco_disp_norm", 1, Column("m", "distance of the direction from the image")),
}

COLUMNS: dict[str, Column] = {**ID_COLUMNS, **{name: source.column for name, source in _SOURCES.items()}}
"""Columns of the table, with unit and meaning; pointings are in rad and other angles in deg, as in the stereo DL2."""


def lst_events(files: Iterable[Path], events: pd.DataFrame) -> pd.DataFrame:
    """Return what lstchain made of the stereo events.

    Parameters
    ----------
    files : iterable of pathlib.Path
        DL2 files of whole runs or of subruns; those of runs without stereo events are not opened.
    events : pandas.DataFrame
        The stereo events, each once: indexed by (obs_id, event_id), with columns obs_id_magic and event_id_magic. Events
        of MAGIC alone, whose ids are MAGIC's, are no events of LST-1 and are left out.

    Returns
    -------
    pandas.DataFrame
        Indexed by (obs_id, event_id) in the order of `events`, with `COLUMNS`. Its ``attrs`` hold ``lost``: what is
        missing, of which run; ``effective_time_s`` and ``elapsed_time_s`` by run, of all triggers that are in the files.

    Raises
    ------
    StandaloneFileError
        If a file is truncated, has another layout, or a name that gives no run.
    ValueError
        If an event occurs twice in `events`.
    """
    by_run = files_by_run(files, NAME, EXAMPLE)
    seen = events[events.index.get_level_values("obs_id") != events["obs_id_magic"].to_numpy()]
    run, event_id = (pd.Series(seen.index.get_level_values(name), index=seen.index) for name in ("obs_id", "event_id"))
    parts: list[pd.DataFrame] = []
    lost: list[str] = []
    effective: dict[int, float] = {}
    elapsed: dict[int, float] = {}
    for wanted in wanted_by_run(seen, run, event_id):
        own = by_run.get(wanted.run, [])
        if not own:
            lost.append(f"LST-1 run {wanted.run}: no DL2 file, {len(wanted.event_id)} stereo events are missing")
            continue
        part, triggers = _read_run(own, wanted)
        if text := number_lost(wanted, part.index.nunique(), "LST-1", own):
            lost.append(text)
        effective[wanted.run], elapsed[wanted.run] = effective_time_s(*triggers)
        if math.isnan(effective[wanted.run]):
            lost.append(f"LST-1 run {wanted.run}: no effective time, there are too few triggers a second")
        parts.append(part)
    return put_together(parts, events, _SOURCES, lost, **{EFFECTIVE_TIME: effective, ELAPSED_TIME: elapsed})


def _read_run(files: list[Path], wanted: Wanted) -> tuple[pd.DataFrame, list[npt.NDArray[Any]]]:
    """Return the wanted events of a run, and kind, time and waiting time of all its triggers."""
    parts: list[pd.DataFrame] = []
    triggers: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _TRIGGERS}
    for path in files:
        with _opened(path) as node:
            for begin in range(0, node.nrows, ROWS_A_BLOCK):
                block = node.read(begin, begin + ROWS_A_BLOCK)
                for name, values in triggers.items():
                    values.append(block[name].copy())
                rows, place = chosen(wanted, block["event_id"])
                own = block["obs_id"][rows] == wanted.run
                rows, place = rows[own], place[own]
                columns = {
                    name: block[source.name][rows].astype(np.float64) * source.factor for name, source in _SOURCES.items()
                }
                parts.append(pd.DataFrame(columns, index=wanted.index[place]))
    return pd.concat(parts), [np.concatenate(values) for values in triggers.values()]


@contextmanager
def _opened(path: Path) -> Iterator[tables.Table]:
    try:
        with tables.open_file(str(path)) as file:
            node = file.get_node(TABLE)
            needed = {"obs_id", "event_id", *_TRIGGERS, *(source.name for source in _SOURCES.values())}
            if missing := sorted(needed - set(node.colnames)):
                raise StandaloneFileError(f"{path}: its table lacks {', '.join(missing)}; DL2 of lstchain 0.9 is needed")
            if node.nrows == 0:
                raise StandaloneFileError(f"{path}: its table is empty; make it again with lstchain, or move it away")
            yield node
    except tables.NoSuchNodeError:
        raise StandaloneFileError(f"{path}: there is no table {TABLE}; it is no DL2 of lstchain") from None
    except (tables.HDF5ExtError, OSError) as error:
        raise StandaloneFileError(f"{path}: truncated or damaged ({type(error).__name__}); copy it again") from error
