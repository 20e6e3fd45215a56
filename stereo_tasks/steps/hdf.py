"""Reading what is needed of the tools' HDF5 files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

EVENTS = "/events/parameters"


def rows(path: Path, table: str = EVENTS) -> int | None:
    """Return the number of rows of a table; None if it is not there.

    Raises
    ------
    tables.HDF5ExtError
        If the file is damaged.
    """
    with tables.open_file(str(path)) as file:
        return int(file.get_node(table).nrows) if table in file else None


def column(path: Path, name: str, table: str = EVENTS) -> npt.NDArray[np.float64]:
    """Return a column of a table."""
    with tables.open_file(str(path)) as file:
        return np.asarray(file.get_node(table).col(name))


def events(path: Path) -> int:
    """Return the number of different events (not images) in a table of images."""
    pairs = np.stack([column(path, "obs_id"), column(path, "event_id")])
    return int(np.unique(pairs, axis=1).shape[1])
