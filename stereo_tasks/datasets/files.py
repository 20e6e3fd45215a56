"""Files of data sets: tables that pandas and ctapipe read, with units, a table of their meaning, and what they are of.

A file can be made longer: its table `PARTS` says which parts its rows come from, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import tables

from stereo_tasks.datasets.coincidences import summed
from stereo_tasks.datasets.columns import described
from stereo_tasks.datasets.errors import DatasetError

EVENTS = "/events/parameters"
README = "/README"
PARTS = "/parts"
RUNS = "/runs"
ROWS_A_BLOCK = 65_536
"""Some 30 MB of images."""
_CHUNK_BYTES = 500_000
_FILTERS = tables.Filters(complevel=1, complib="blosc:zstd", shuffle=True)
_README = np.dtype([("table", "S32"), ("column", "S32"), ("unit", "S16"), ("meaning", "S160")])
_PARTS = np.dtype([("name", "S64"), ("checksum", "S64"), ("rows", np.int64)])
_RUNS = np.dtype([("table", "S32"), ("run", np.int64), ("rows", np.int64)])
_OURS = (README, PARTS, RUNS)

Rows = npt.NDArray[np.void]
Keep = Callable[[Rows], npt.NDArray[np.bool_]]
"""Which rows of a block are taken: shape (n_rows,), bool."""


@dataclass(frozen=True, slots=True)
class Part:
    """A table that goes into a file as a whole."""

    name: str
    """Such as the night, ``20240110``."""
    checksum: str
    """SHA-256 of its file."""
    path: Path
    table: str = EVENTS


class TableWriter:
    """Writes tables of a file block by block; their columns are those of the first block.

    Parameters
    ----------
    path : pathlib.Path
        Of a new file.
    """

    def __init__(self, path: Path) -> None:
        self._file = tables.open_file(str(path), mode="w")
        self._meanings: list[tuple[str, str, str, str]] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file; the table of meanings is written if all went well."""
        try:
            if error[0] is None:
                self._close()
        finally:
            self._file.close()

    def append(self, block: pd.DataFrame | Rows, table: str = EVENTS) -> None:
        """Append rows to a table; the first block may be empty.

        Raises
        ------
        DatasetError
            If the columns are others than those of the first block.
        """
        rows = block if isinstance(block, np.ndarray) else _rows_of(block)
        if table not in self._file:
            _create(self._file, table, rows.dtype)
            self._meanings += [
                (table, name, column.unit, column.meaning) for name, column in described(rows.dtype.names or ()).items()
            ]
        _append(self._file.get_node(table), rows)

    def _close(self) -> None:
        _create_plain(self._file, README, np.array(sorted(self._meanings), dtype=_README))


class RunWriter(TableWriter):
    """Writes tables run by run, and notes which rows are of which run of LST-1: events without LST-1 do not tell."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._runs: list[tuple[str, int, int]] = []

    def append_run(self, run: int, rows: pd.DataFrame, table: str = EVENTS) -> None:
        """Append the rows of a run to a table."""
        self.append(rows, table)
        self._runs.append((table, run, len(rows)))

    def _close(self) -> None:
        super()._close()
        _create_plain(self._file, RUNS, np.array(self._runs, dtype=_RUNS))


def runs_of(path: Path, table: str = EVENTS) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the rows of each run of LST-1, in the order in which `RunWriter` wrote them."""
    with tables.open_file(str(path)) as file:
        runs = [row for row in file.get_node(RUNS).read() if row["table"].decode() == table]
        stop = 0
        for row in runs:
            start, stop = stop, stop + int(row["rows"])
            yield int(row["run"]), pd.DataFrame(file.get_node(table).read(start, stop))


def sum_up(target: Path, parts: Sequence[Part]) -> tuple[int, int]:
    """Bring a file to the state in which it has the sum of the profiles of some parts; as `put_together` otherwise.

    If a part that it has already is not among them any more, or not as it was, all are read again.
    """
    known = _known(target)
    new = [(part.name, part.checksum) for part in parts]
    kept = len(known) if known == new[: len(known)] else 0
    found = [pd.DataFrame(rows) for rows in blocks(target)] if kept else []
    for part in parts[kept:]:
        found += [pd.DataFrame(rows) for rows in blocks(part.path, part.table)]
    total = summed(pd.concat(found))
    with TableWriter(target) as writer:
        writer.append(total)
    # The rows are of all parts together: the last one stands for them.
    rows = [0] * (len(parts) - 1) + [len(total)]
    with tables.open_file(str(target), mode="a") as file:
        listed = [(*pair, number) for pair, number in zip(new, rows, strict=True)]
        _create_plain(file, PARTS, np.array(listed, dtype=_PARTS))
    return len(parts) - kept, len(total)


def put_together(target: Path, parts: Sequence[Part], keep: Keep | None = None) -> tuple[int, int]:
    """Bring a file to the state in which it has the rows of some parts, one after the other.

    What the file has already of the first of them stays, and only the parts after that are read. Memory is that of a
    block of rows.

    Parameters
    ----------
    target : pathlib.Path
        The file; it is made if it is not there.
    parts : sequence of Part
        In their order; at least one.
    keep : callable, optional
        Which rows are taken; all if not given. The same as before, if the file is there.

    Returns
    -------
    read, rows : int
        Number of parts that were read, and of rows that the file has now.

    Raises
    ------
    DatasetError
        If the columns of a part are others than those of the file.
    """
    new = [(part.name, part.checksum) for part in parts]
    same = [old == one for old, one in zip(_known(target), new, strict=False)]
    kept = (*same, False).index(False)
    if not kept:  # other columns may have come with other parts
        _begin(target, parts[0])
    with tables.open_file(str(target), mode="a") as file:
        table, known = file.get_node(EVENTS), file.get_node(PARTS)
        _shorten(table, int(known.read()["rows"][:kept].sum()))
        _shorten(known, kept)
        for part in parts[kept:]:
            before = table.nrows
            for block in blocks(part.path, part.table):
                _append(table, block if keep is None else block[keep(block)], part.path)
            table.flush()
            known.append(np.array([(part.name, part.checksum, table.nrows - before)], dtype=_PARTS))
        return len(parts) - kept, int(table.nrows)


def blocks(path: Path, table: str = EVENTS) -> Iterator[Rows]:
    """Yield the rows of a table, a block at a time; an empty one, if there are none."""
    with tables.open_file(str(path)) as file:
        node = file.get_node(table)
        for begin in range(0, max(node.nrows, 1), ROWS_A_BLOCK):
            yield node.read(begin, begin + ROWS_A_BLOCK)


def names_of(path: Path, table: str = EVENTS) -> tuple[str, ...]:
    """Return the names of the columns of a table."""
    with tables.open_file(str(path)) as file:
        return tuple(file.get_node(table).colnames)


def columns(path: Path, names: Sequence[str], table: str = EVENTS) -> pd.DataFrame:
    """Return some columns of a table, read once; the others take no memory."""
    parts = [{name: block[name].copy() for name in names} for block in blocks(path, table)]
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in names})


def parts_of(path: Path) -> list[tuple[str, int]]:
    """Return the parts of a file: name and number of rows of each."""
    with tables.open_file(str(path)) as file:
        return [(row["name"].decode(), int(row["rows"])) for row in file.get_node(PARTS).read()]


def wrong_with(path: Path) -> str:
    """Say what is wrong with a file; an empty text if nothing is."""
    with tables.open_file(str(path)) as file:
        if README not in file:
            return f"has no table {README}"
        told = {(row["table"].decode(), row["column"].decode()) for row in file.get_node(README).read()}
        for node in file.walk_nodes("/", "Table"):
            if node._v_pathname in _OURS:
                continue
            if missing := [name for name in node.colnames if (node._v_pathname, name) not in told]:
                return f"does not tell the meaning of {', '.join(missing)} of {node._v_pathname}"
        if PARTS in file and int(file.get_node(PARTS).read()["rows"].sum()) != file.get_node(EVENTS).nrows:
            return "has another number of rows than its parts"
    return ""


def _known(target: Path) -> list[tuple[str, str]]:
    if not target.exists():
        return []
    with tables.open_file(str(target)) as file:
        return _listed(file.get_node(PARTS))


def _listed(parts: tables.Table) -> list[tuple[str, str]]:
    return [(row["name"].decode(), row["checksum"].decode()) for row in parts.read()]


def _create_plain(file: tables.File, path: str, rows: Rows) -> None:
    # Without the time of its making: equal contents are to be equal files.
    file.create_table("/", path.strip("/"), obj=rows, track_times=False)


def _begin(target: Path, like: Part) -> None:
    with tables.open_file(str(like.path)) as file:
        dtype = file.get_node(like.table).dtype
    with TableWriter(target) as writer:
        writer.append(np.empty(0, dtype))
    with tables.open_file(str(target), mode="a") as file:
        _create_plain(file, PARTS, np.empty(0, _PARTS))


def _create(file: tables.File, path: str, dtype: np.dtype[Any]) -> None:
    group, _, name = path.rpartition("/")
    chunk = (max(_CHUNK_BYTES // dtype.itemsize, 1),)
    table = file.create_table(
        group or "/", name, description=dtype, filters=_FILTERS, chunkshape=chunk, createparents=True, track_times=False
    )
    # ctapipe's way of telling units: its read_table gives quantities.
    for number, (column, told) in enumerate(described(dtype.names or ()).items()):
        attributes = {"NAME": column, "DESC": told.meaning}
        if told.unit:
            attributes |= {"UNIT": told.unit, "TRANSFORM": "quantity"}
        for key, value in attributes.items():
            table.attrs[f"CTAFIELD_{number}_{key}"] = value


def _append(table: tables.Table, rows: Rows, path: Path | None = None) -> None:
    if rows.dtype != table.dtype:
        missing = sorted(set(table.dtype.names) ^ set(rows.dtype.names or ()))
        what = (
            f"columns that only one of them has: {', '.join(missing)}"
            if missing
            else "types or order of columns differ"
        )
        raise DatasetError(
            f"{path or 'a block of rows'} does not go with the rows before ({what}): process the night again with the "
            "versions of the production"
        )
    table.append(rows)


def _shorten(table: tables.Table, rows: int) -> None:
    if table.nrows > rows:
        table.remove_rows(rows, table.nrows)


def _rows_of(frame: pd.DataFrame) -> Rows:
    return np.asarray(frame.to_records(index=False)).view(np.ndarray)


def meanings(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Return unit and meaning of each column, by table and name."""
    with tables.open_file(str(path)) as file:
        rows = [tuple(value.decode() for value in row) for row in file.get_node(README).read()]
    return {(table, name): (unit, meaning) for table, name, unit, meaning in rows}
