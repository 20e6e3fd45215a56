"""One LST-1 DL1 file, arranged as ``load_lst_dl1_data_file`` of magic-cta-pipe does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import (
    Columns,
    check_columns,
    check_doubles,
    check_integers,
    columns_of,
    sorted_singles,
)
from stereo_tasks.kernels.instrument import Instrument, read_instrument
from stereo_tasks.kernels.telescopes import LST1

PARAMETERS = "/dl1/event/telescope/parameters/LST_LSTCam"
_OPTICS = "/configuration/instrument/telescope/optics"

COSMIC_EVENT = 32
"""ctapipe's number of an event type."""

_RENAMED = {
    "obs_id": "obs_id_lst",
    "event_id": "event_id_lst",
    "delta_t": "time_diff",
    "alt_tel": "pointing_alt",
    "az_tel": "pointing_az",
    "leakage_pixels_width_1": "pixels_width_1",
    "leakage_pixels_width_2": "pixels_width_2",
    "leakage_intensity_width_1": "intensity_width_1",
    "leakage_intensity_width_2": "intensity_width_2",
    "time_gradient": "slope",
}
_NEEDED = ("intensity", "time_gradient", "alt_tel", "az_tel")
"""Events in which one of these is NaN are left out."""


@dataclass(frozen=True)
class LstSubrun:
    """The showers of a subrun, sorted by obs_id and event_id, each of them once.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_rows,): all rows of the file.
    selected : numpy.ndarray
        Shape (n,): which of them are showers, in their order.
    time_diff : numpy.ndarray
        Shape (n_rows,): time since the row before, in s.
    equivalent_focal_length_m : numpy.floating
        Of the file's optics.
    instrument : Instrument
        LST-1.
    """

    rows: NDArray[Any]
    selected: NDArray[np.int64]
    time_diff: NDArray[np.float64]
    equivalent_focal_length_m: float
    instrument: Instrument

    def column(self, name: str, showers: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return a column of the file for all or some of the showers, as it is there."""
        return np.asarray(self.rows[name][self.selected if showers is None else self.selected[showers]])

    def columns(self, showers: NDArray[np.int64], timestamp: str) -> Columns:
        """Return magic-cta-pipe's columns for some of the showers.

        Parameters
        ----------
        showers : numpy.ndarray
            Shape (m,): numbers among the showers.
        timestamp : str
            Which of the times becomes ``timestamp``.

        Returns
        -------
        dict of str to numpy.ndarray
            Shape (m,) each: lengths in m, ``phi`` and ``psi`` in deg.
        """
        numbers = self.selected[showers]
        columns = columns_of(self.rows[numbers])
        columns["delta_t"] = self.time_diff[numbers]
        for name in ("length", "width"):
            columns[name] = self.equivalent_focal_length_m * np.tan(np.deg2rad(columns[name]))
        for name in ("phi", "psi"):
            columns[name] = np.rad2deg(columns[name])
        renamed = _RENAMED | {timestamp: "timestamp"}
        return {renamed.get(name, name): values for name, values in columns.items()}


def read_lst_subrun(path: str, timestamp: str) -> LstSubrun:
    """Read a file.

    Raises
    ------
    NotCovered
        If it lacks a column or has others than expected, or no shower.
    """
    with tables.open_file(path) as file:
        where = Path(path).name
        if PARAMETERS not in file:
            raise NotCovered(f"{where} has no table {PARAMETERS}")
        table = file.get_node(PARAMETERS)
        _check(table.dtype, timestamp, where)
        instrument = read_instrument(file)
        focal_length_m = float(file.get_node(_OPTICS).col("equivalent_focal_length")[0])
        rows = table.read()
    time_s = rows["dragon_time"]
    good = rows["event_type"] == COSMIC_EVENT
    for name in _NEEDED:
        good &= ~np.isnan(rows[name])
    numbers = np.flatnonzero(good)
    selected = numbers[sorted_singles(rows["obs_id"][numbers], rows["event_id"][numbers])]
    if not len(selected):
        raise NotCovered(f"{where} has no showers")
    if (rows["tel_id"] != LST1).any():
        raise NotCovered(f"{where} has other telescopes than LST-1 (1)")
    return LstSubrun(rows, selected, np.insert(np.diff(time_s), 0, 0), focal_length_m, instrument)


def _check(dtype: np.dtype[Any], timestamp: str, where: str) -> None:
    check_columns(dtype, where)
    check_integers(dtype, ("obs_id", "event_id", "tel_id", "event_type"), where)
    check_doubles(dtype, ("dragon_time", timestamp, "alt_tel", "az_tel"), where)
    names = set(dtype.names or ())
    if missing := {*_NEEDED, "length", "width", "phi", "psi"} - names:
        raise NotCovered(f"{where} lacks the columns {', '.join(sorted(missing))}")
    taken = {*_RENAMED.values(), "timestamp", "time_sec", "time_nanosec", "obs_id_magic", "event_id_magic"}
    if others := names & (taken | {"multiplicity", "combo_type"}):
        raise NotCovered(f"{where} has columns with names that are given later: {', '.join(sorted(others))}")
    if any(dtype[name].kind != "f" for name in (*_NEEDED, "length", "width", "phi", "psi")):
        raise NotCovered(f"{where} has image parameters that are no floating-point numbers")
