"""The MAGIC DL1 files that an LST-1 subrun is compared with, kept between the subruns of one process.

Of all images only what the search needs is kept, 24 bytes each; the others are read where they are needed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import EVENTS, check_columns, check_doubles, check_integers, sorted_singles
from stereo_tasks.kernels.instrument import Instrument, read_instrument
from stereo_tasks.kernels.telescopes import M1, M2

NO_MAGIC_EVENTS_EXIT = 7

_KEYS = ("obs_id", "event_id", "tel_id")
_TIMES = ("time_sec", "time_nanosec")
_CHUNK = 10_000
"""So many rows are read at once."""
_GAP = 256
"""Rows that lie closer together in a file are read in one piece."""
_CACHED = 2
"""So many sets of files are remembered."""


@dataclass(frozen=True)
class MagicImages:
    """The images of one MAGIC telescope, sorted by obs_id and event_id.

    Parameters
    ----------
    time_ns : numpy.ndarray
        Shape (n,), int64: unix times in ns.
    intensity : numpy.ndarray
        Shape (n,): p.e.
    row : numpy.ndarray
        Shape (n,): number of the row, counted through all files.
    """

    time_ns: NDArray[np.int64]
    intensity: NDArray[Any]
    row: NDArray[np.int64]


class MagicRuns:
    """All MAGIC DL1 files of a folder.

    Parameters
    ----------
    paths : list of pathlib.Path
        The files, in the order of their names.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SystemExit
        With code 7, if no file has events.
    NotCovered
        If the files differ in their columns or their instrument, or hold other telescopes.
    """

    def __init__(self, paths: list[Path]) -> None:
        if not paths:
            raise FileNotFoundError("Could not find any DL1 data files in the input directory.")
        self._files: list[tuple[Path, int]] = []
        keys: list[dict[str, NDArray[Any]]] = []
        first: Instrument | None = None
        for path in paths:
            with tables.open_file(str(path)) as file:
                first = _same_instrument(file, first)
                # merge_hdf_files leaves a file without a table where no image survived.
                if EVENTS not in file:
                    continue
                table = file.get_node(EVENTS)
                self._check(table.dtype if not self._files else self.dtype, table.dtype, path.name)
                self.dtype: np.dtype[Any] = table.dtype
                self._files.append((path, int(table.nrows)))
                keys.append(_key_columns(table))
        if first is None or not self._files:
            raise SystemExit(NO_MAGIC_EVENTS_EXIT)
        self.instrument = first
        joined = keys.pop() if len(keys) == 1 else {n: np.concatenate([part[n] for part in keys]) for n in keys[0]}
        self._images = self._sorted(joined)

    @staticmethod
    def _check(first: np.dtype[Any], dtype: np.dtype[Any], name: str) -> None:
        check_columns(dtype, name)
        check_integers(dtype, (*_KEYS, *_TIMES), name)
        check_doubles(dtype, ("pointing_alt", "pointing_az"), name)
        if dtype != first:
            raise NotCovered(f"{name} has other columns than the MAGIC files before it")

    @staticmethod
    def _sorted(keys: dict[str, NDArray[Any]]) -> dict[int, MagicImages]:
        telescope = keys["tel_id"]
        if not bool(((telescope == M1) | (telescope == M2)).all()):
            raise NotCovered("MAGIC files with other telescopes than MAGIC-I (2) and MAGIC-II (3)")
        order = sorted_singles(keys["obs_id"], keys["event_id"], telescope)
        images = {}
        for number in (M1, M2):
            rows = order[telescope[order] == number]
            images[number] = MagicImages(keys["time_ns"][rows], keys["intensity"][rows], rows)
        return images

    def images(self, telescope: int) -> MagicImages:
        """Return the images of a telescope."""
        return self._images[telescope]

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return whole rows of the files.

        Parameters
        ----------
        numbers : numpy.ndarray
            Shape (n,): numbers of rows, as in :class:`MagicImages`.

        Returns
        -------
        numpy.ndarray
            Shape (n,), of the type of a row.
        """
        result = np.empty(len(numbers), dtype=self.dtype)
        order = np.argsort(numbers)
        begin = 0
        for path, size in self._files:
            inside = order[(numbers[order] >= begin) & (numbers[order] < begin + size)]
            if len(inside):
                with tables.open_file(str(path)) as file:
                    result[inside] = _read(file.get_node(EVENTS), numbers[inside] - begin)
            begin += size
        return result


def _same_instrument(file: tables.File, first: Instrument | None) -> Instrument:
    instrument = read_instrument(file)
    if first is not None and not instrument.same(first):
        raise NotCovered(f"{Path(file.filename).name} has another instrument than the MAGIC file before it")
    return instrument


def _key_columns(table: tables.Table) -> dict[str, NDArray[Any]]:
    """Return what the search needs of a table, read in pieces."""
    if "intensity" not in table.dtype.names:
        raise NotCovered("MAGIC files without intensity")
    columns = {name: np.empty(table.nrows, dtype=table.dtype[name]) for name in (*_KEYS, "intensity")}
    columns["time_ns"] = np.empty(table.nrows, dtype=np.int64)
    for begin in range(0, table.nrows, _CHUNK):
        rows = table.read(begin, begin + _CHUNK)
        for name in (*_KEYS, "intensity"):
            columns[name][begin : begin + len(rows)] = rows[name]
        seconds, nanoseconds = (rows[name].astype(np.int64) for name in _TIMES)
        columns["time_ns"][begin : begin + len(rows)] = seconds * 1_000_000_000 + nanoseconds
    return columns


def _read(table: tables.Table, numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows of a table by their numbers, which rise."""
    pieces = []
    for part in np.split(numbers, np.flatnonzero(np.diff(numbers) > _GAP) + 1):
        pieces.append(table.read(part[0], part[-1] + 1)[part - part[0]])
    return np.concatenate(pieces)


_cache: OrderedDict[tuple[tuple[str, int, int], ...], MagicRuns] = OrderedDict()


def magic_runs(folder: str) -> MagicRuns:
    """Return the MAGIC DL1 files of a folder, from the memory of this process if they are the same as before."""
    paths = sorted(Path(folder).glob("dl1_*.h5"), key=str)
    # Steps link the files into a folder of their own, which is gone when the step has ended.
    paths = [path.resolve() for path in paths]
    key = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    if key not in _cache:
        _cache[key] = MagicRuns(paths)
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def forget() -> None:
    """Forget all files."""
    _cache.clear()
