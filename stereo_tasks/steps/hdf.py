"""Reading what is needed of the tools' HDF5 files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

EVENTS = "/events/parameters"
ROWS_A_BLOCK = 32_768
"""Some 10 MB."""


def rows(path: Path, table: str = EVENTS) -> int | None:
    """Return the number of rows of a table; None if it is not there.

    Raises
    ------
    tables.HDF5ExtError
        If the file is damaged.
    """
    with tables.open_file(str(path)) as file:
        return int(file.get_node(table).nrows) if table in file else None


def column(path: Path, name: str, table: str = EVENTS) -> npt.NDArray[Any]:
    """Return a column of a table."""
    return columns(path, [name], table)[name]


def columns(path: Path, names: Collection[str], table: str = EVENTS) -> dict[str, npt.NDArray[Any]]:
    """Return columns of a table by their names."""
    with tables.open_file(str(path)) as file:
        return columns_of(file.get_node(table), names)


def columns_of(node: tables.Table, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Return columns of an open table, read once: its rows lie together, so each column costs as much as all of them.

    Raises
    ------
    KeyError
        If there is no column of a name.
    """
    found = {name: np.empty(node.nrows, node.coldtypes[name]) for name in names}
    for begin in range(0, node.nrows, ROWS_A_BLOCK):
        block = node.read(begin, begin + ROWS_A_BLOCK)
        for name, values in found.items():
            values[begin : begin + len(block)] = block[name]
    return found


def events(path: Path) -> int:
    """Return the number of different events (not images) in a table of images."""
    found = columns(path, ("obs_id", "event_id"))
    pairs = np.stack([found["obs_id"], found["event_id"]])
    return int(np.unique(pairs, axis=1).shape[1])
