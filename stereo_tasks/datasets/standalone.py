"""What the readers of the standalone analyses share: which files belong to which run, and which events are wanted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.errors import StereoError

IDS = ("obs_id", "event_id")
MAGIC_IDS = ("obs_id_magic", "event_id_magic")

LOST = "lost"
"""Key of `DataFrame.attrs`: a list of texts that say what of the wanted events is not there, and why."""


class StandaloneFileError(StereoError, ValueError):
    """A file of a standalone analysis cannot be used; the text names it."""


class Column(NamedTuple):
    """A column of a table."""

    unit: str
    """As astropy writes it; empty for numbers without a unit."""
    meaning: str


ID_COLUMNS: dict[str, Column] = {
    "obs_id": Column("", "run of LST-1, as in the stereo DL2"),
    "event_id": Column("", "event of LST-1, as in the stereo DL2"),
    "obs_id_magic": Column("", "run of MAGIC"),
    "event_id_magic": Column("", "stereo event of MAGIC"),
}


class Wanted(NamedTuple):
    """The events of one run that are wanted."""

    run: int
    event_id: npt.NDArray[np.int64]
    """Shape (n,): numbers of the standalone analysis, rising."""
    index: pd.MultiIndex
    """Shape (n,): the stereo ids of these events."""


def wanted_by_run(events: pd.DataFrame, run: pd.Series, event_id: pd.Series) -> Iterator[Wanted]:
    """Return the wanted events of each run, in the order of the runs.

    Parameters
    ----------
    events : pandas.DataFrame
        Stereo events, indexed by (obs_id, event_id).
    run, event_id : pandas.Series
        Shape (n,), with the index of `events`: the ids in the standalone analysis.

    Raises
    ------
    ValueError
        If an event occurs twice.
    """
    if not events.index.is_unique or pd.DataFrame({"run": run, "event": event_id}).duplicated().any():
        raise ValueError("an event occurs twice in the list of stereo events: give it once an event, not once a telescope")
    for number, group in event_id.groupby(run.to_numpy(), sort=True):
        ordered = group.sort_values()
        yield Wanted(int(number), ordered.to_numpy(dtype=np.int64), ordered.index)


def files_by_run(files: Iterable[Path], pattern: re.Pattern[str], example: str) -> dict[int, list[Path]]:
    """Return the files of each run, by the run in their name, in the order of their names.

    Parameters
    ----------
    files : iterable of pathlib.Path
        Files.
    pattern : re.Pattern
        Of the whole name, with a group ``run``.
    example : str
        A name that is understood.

    Raises
    ------
    StandaloneFileError
        If a name is not understood.
    """
    found: defaultdict[int, list[Path]] = defaultdict(list)
    for path in sorted(map(Path, files), key=lambda one: one.name):
        match = pattern.fullmatch(path.name)
        if match is None:
            raise StandaloneFileError(f"{path}: the name gives no run; one like {example} is expected")
        found[int(match["run"])].append(path)
    return dict(found)


def chosen(wanted: Wanted, event_id: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which rows of a block are wanted, and which of the wanted events they are.

    Parameters
    ----------
    wanted : Wanted
        The events of a run.
    event_id : numpy.ndarray
        Shape (m,): the event numbers of the block.
    """
    place = np.searchsorted(wanted.event_id, event_id)
    place[place == len(wanted.event_id)] = 0
    rows = np.flatnonzero(wanted.event_id[place] == event_id)
    return rows, place[rows]


def put_together(
    parts: list[pd.DataFrame], events: pd.DataFrame, columns: Iterable[str], lost: list[str], **more: Any
) -> pd.DataFrame:
    """Return one table in the order of the stereo events, with MAGIC's ids; an event found twice is kept once.

    Parameters
    ----------
    parts : list of pandas.DataFrame
        Tables indexed by the stereo ids.
    events : pandas.DataFrame
        Stereo events with `obs_id_magic` and `event_id_magic`.
    columns : iterable of str
        Columns of the table, ids left out.
    lost : list of str
        What is not there; it gets a line where events were found twice.
    **more
        More attributes of the table.
    """
    table = pd.concat(parts) if parts else pd.DataFrame(columns=list(columns), index=events.index[:0], dtype=np.float64)
    twice = table.index.duplicated()
    if twice.any():
        lost.append(f"{int(twice.sum())} events are in two files or twice in one: the first is kept")
        table = table[~twice]
    order = events.index[events.index.isin(table.index)]
    table = events.loc[order, list(MAGIC_IDS)].astype(np.int64).join(table.reindex(order))
    table.attrs = {LOST: lost, **more}
    return table


def number_lost(wanted: Wanted, found: Mapping[int, int] | int, what: str, files: list[Path]) -> str | None:
    """Return what to say of the events of a run that are not in its files; None if all are."""
    missing = len(wanted.event_id) - (found if isinstance(found, int) else found[wanted.run])
    names = ", ".join(path.name for path in files)
    return f"{what} run {wanted.run}: {missing} of {len(wanted.event_id)} stereo events are not in {names}" if missing else None
