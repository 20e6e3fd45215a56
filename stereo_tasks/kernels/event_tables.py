"""Tables of images: one row an image, sorted by shower and telescope, as pandas keeps them in magic-cta-pipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered

EVENTS = "/events/parameters"

Columns = dict[str, NDArray[Any]]
"""Columns of a table by name, in their order; each of shape (n_rows,)."""


def check_columns(dtype: np.dtype[Any], where: str) -> None:
    """Refuse a table that pandas would not read as plain columns of numbers.

    Parameters
    ----------
    dtype : numpy.dtype
        Of a row.
    where : str
        For the text.

    Raises
    ------
    NotCovered
        If a column holds text or several values a row.
    """
    for name in dtype.names or ():
        if dtype[name].shape or dtype[name].kind not in "iufb":
            raise NotCovered(f"column {name} of {where} is not one number a row ({dtype[name]})")


def check_integers(dtype: np.dtype[Any], names: tuple[str, ...], where: str) -> None:
    """Refuse a table in which one of these columns is missing or no integer."""
    for name in names:
        if name not in (dtype.names or ()) or dtype[name].kind not in "iu":
            raise NotCovered(f"{where} has no column {name} of integers")


def check_doubles(dtype: np.dtype[Any], names: tuple[str, ...], where: str) -> None:
    """Refuse a table in which one of these columns is missing or no float64: its means would be rounded otherwise."""
    for name in names:
        if name not in (dtype.names or ()) or dtype[name] != np.float64:
            raise NotCovered(f"{where} has no column {name} of float64")


def columns_of(rows: NDArray[Any]) -> Columns:
    """Return the columns of an array of rows."""
    return {name: rows[name] for name in rows.dtype.names or ()}


def taken(columns: Columns, index: NDArray[Any]) -> Columns:
    """Return some rows, by their numbers or by a mask."""
    return {name: values[index] for name, values in columns.items()}


def order_of(*keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order that sorts rows by keys, the first of which is the outermost; equal rows keep theirs.

    Parameters
    ----------
    *keys : numpy.ndarray
        Shape (n_rows,) each.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,): row numbers.
    """
    return np.asarray(np.lexsort(keys[::-1]))


def group_starts(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a group of rows with equal keys begins, in sorted rows.

    Parameters
    ----------
    *keys : numpy.ndarray
        Shape (n_rows,) each.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), bool.
    """
    starts = np.zeros(len(keys[0]), dtype=bool)
    starts[:1] = True
    for key in keys:
        starts[1:] |= key[1:] != key[:-1]
    return starts


def group_sizes(starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the size of its group."""
    first = np.flatnonzero(starts)
    sizes = np.diff(np.append(first, len(starts)))
    return np.asarray(np.repeat(sizes, sizes))


def sorted_singles(*keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return the rows whose keys no other row has, sorted by them.

    ``drop_duplicates(keep=False)`` and ``sort_index`` of pandas.

    Parameters
    ----------
    *keys : numpy.ndarray
        Shape (n_rows,) each, integers.

    Returns
    -------
    numpy.ndarray
        Row numbers.
    """
    if _rise(*keys):
        return np.arange(len(keys[0]), dtype=np.int64)
    order = order_of(*keys)
    single = group_sizes(group_starts(*(key[order] for key in keys))) == 1
    return np.asarray(order[single])


def _rise(*keys: NDArray[Any]) -> bool:
    """Return whether rows are sorted by keys, and no two are equal."""
    risen = np.zeros(max(len(keys[0]) - 1, 0), dtype=bool)
    for key in reversed(keys):
        risen = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & risen)
    return bool(risen.all())


def write_columns(file: tables.File, group: str, name: str, columns: Columns) -> None:
    """Write a table as ``save_pandas_data_in_table`` of magic-cta-pipe does."""
    dtype = np.dtype([(column, values.dtype) for column, values in columns.items()])
    rows = np.empty(len(next(iter(columns.values()))), dtype=dtype)
    for column, values in columns.items():
        rows[column] = values
    file.create_table(group, name, createparents=True, obj=rows)
