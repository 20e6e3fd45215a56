"""LST-1 alone: the lstchain DL2 of exactly the stereo events, and the effective time of their runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tables

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.effective_time import effective_time_s
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

TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"
NAME = re.compile(r"dl2_LST-1\.Run(?P<run>\d{5})(?:\.\d{4})?\.h5", re.ASCII)
EXAMPLE = "dl2_LST-1.Run03281.h5"
ROWS_A_BLOCK = 32_768
"""Some 30 MB of lstchain's rows."""

EFFECTIVE_TIME, ELAPSED_TIME = "effective_time_s", "elapsed_time_s"
"""Keys of `DataFrame.attrs`: by run of LST-1, in s."""

EQUIVALENT_FOCAL_M = 28.0
"""With this focal length lstchain turns lengths and widths into degrees."""

_TRIGGERS = ("event_type", "dragon_time", "delta_t")


def _in_camera_m(angle_deg: Floats) -> Floats:
    return EQUIVALENT_FOCAL_M * np.tan(np.deg2rad(angle_deg))


_SOURCES: Sources = {
    "timestamp": ("dragon_time", as_is),
    "pointing_alt": ("alt_tel", as_is),
    "pointing_az": ("az_tel", as_is),
    **{name: (name, as_is) for name in ("intensity", "x", "y", "r", "time_gradient", "intercept", "delta_t")},
    **{name: (name, _in_camera_m) for name in ("length", "width")},
    **{name: (name, to_deg) for name in ("phi", "psi", "reco_alt", "reco_az")},
    **{name: (name, as_is) for name in ("reco_energy", "gammaness", "reco_src_x", "reco_src_y", "reco_disp_norm")},
}
"""lstchain's angles are in rad, but for lengths and widths in deg; ours are in deg, but for pointings in rad."""

COLUMNS = (*EVENT, *MAGIC_IDS, *_SOURCES)
"""Columns of the table; `stereo_tasks.datasets.columns` has their units and meanings."""


def lst_events(files: Iterable[Path], events: pd.DataFrame) -> pd.DataFrame:
    """Return what lstchain made of the stereo events.

    Parameters
    ----------
    files : iterable of pathlib.Path
        DL2 files of whole runs or of subruns; those of runs without stereo events are not opened.
    events : pandas.DataFrame
        The stereo events, each once: indexed by (obs_id, event_id), with columns obs_id_magic and event_id_magic.
        Events of MAGIC alone, whose ids are MAGIC's, are no events of LST-1 and are left out.

    Returns
    -------
    pandas.DataFrame
        Indexed by (obs_id, event_id) in the order of `events`, with `COLUMNS`. Its ``attrs`` hold ``lost``: what is
        missing, of which run; ``effective_time_s`` and ``elapsed_time_s`` by run, from all triggers in the files.

    Raises
    ------
    DatasetError
        If a file is truncated, has another layout, or a name that gives no run; if an event occurs twice in `events`.
    """
    by_run = files_by_run(files, NAME, EXAMPLE)
    parts: list[pd.DataFrame] = []
    lost: list[str] = []
    effective: dict[int, float] = {}
    elapsed: dict[int, float] = {}
    with_lst = events[events.index.get_level_values("obs_id") != events["obs_id_magic"].to_numpy()]
    for wanted in wanted_by_run(with_lst, *EVENT):
        run, own = wanted.run, by_run.get(wanted.run, [])
        if not own:
            lost.append(f"LST-1 run {run}: no DL2 file, {len(wanted.event_id)} stereo events are missing")
            continue
        part, triggers = _read_run(own, wanted)
        parts.append(part)
        lost += not_found(wanted, part, "LST-1", own)
        effective[run], elapsed[run] = effective_time_s(*triggers)
        if math.isnan(effective[run]):
            lost.append(f"LST-1 run {run}: no effective time, too few triggers a second")
    table = in_order_of(events, parts, _SOURCES, lost)
    table.attrs |= {EFFECTIVE_TIME: effective, ELAPSED_TIME: elapsed}
    return table


def _read_run(files: list[Path], wanted: Wanted) -> tuple[pd.DataFrame, list[npt.NDArray[Any]]]:
    """Return the wanted events of a run, and kind, time and waiting time of all its triggers."""
    parts: list[pd.DataFrame] = []
    triggers: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _TRIGGERS}
    for path in files:
        for block in _blocks(path):
            for name, values in triggers.items():
                values.append(block[name].copy())
            parts.append(taken(block, block["event_id"], block["obs_id"], wanted, _SOURCES))
    return pd.concat(parts), [np.concatenate(values) for values in triggers.values()]


def _blocks(path: Path) -> Iterator[npt.NDArray[np.void]]:
    with _opened(path) as node:
        for begin in range(0, node.nrows, ROWS_A_BLOCK):
            yield node.read(begin, begin + ROWS_A_BLOCK)


@contextmanager
def _opened(path: Path) -> Iterator[tables.Table]:
    try:
        with tables.open_file(str(path)) as file:
            node = file.get_node(TABLE)
            needed = {*EVENT, *_TRIGGERS, *(name for name, _ in _SOURCES.values())}
            if missing := sorted(needed - set(node.colnames)):
                raise DatasetError(f"{path}: its table lacks {', '.join(missing)}; make it with lstchain 0.9 or later")
            if node.nrows == 0:
                raise DatasetError(f"{path}: its table is empty; make it again with lstchain, or move it away")
            yield node
    except tables.NoSuchNodeError:
        raise DatasetError(f"{path}: there is no table {TABLE}, so it is no DL2 of lstchain; move it away") from None
    except (tables.HDF5ExtError, OSError) as error:
        raise DatasetError(f"{path}: truncated or damaged ({type(error).__name__}); copy it again") from error
