"""What the readers of the standalone analyses share: which files belong to which run, and which events are wanted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.errors import DatasetError

MAGIC_IDS = ["obs_id_magic", "event_id_magic"]

LOST = "lost"
"""Key of `DataFrame.attrs`: a list of texts that say what of the wanted events is not there, and why."""

Floats = npt.NDArray[np.float64]
Convert = Callable[[Floats], Floats]
Sources = Mapping[str, tuple[str, Convert]]
"""Our columns: the name in the file, and what makes our unit of the file's."""


class Wanted(NamedTuple):
    """The events of one run that are wanted."""

    run: int
    event_id: npt.NDArray[np.int64]
    """Shape (n,): numbers in the files, rising."""
    index: pd.MultiIndex
    """Shape (n,): the stereo ids of these events."""


def wanted_by_run(events: pd.DataFrame, run_name: str, event_name: str) -> Iterator[Wanted]:
    """Yield the wanted events of each run, in the order of the runs.

    Parameters
    ----------
    events : pandas.DataFrame
        Stereo events, indexed by (obs_id, event_id).
    run_name, event_name : str
        Columns or levels of the index with the ids that the files have.

    Raises
    ------
    DatasetError
        If an event occurs twice.
    """
    ids = events.reset_index()
    if ids.duplicated(EVENT).any() or ids.duplicated([run_name, event_name]).any():
        raise DatasetError("an event occurs twice in the list of stereo events: give it once, not for each telescope")
    for run, group in ids.groupby(run_name):
        ordered = group.sort_values(event_name)
        yield Wanted(int(run), ordered[event_name].to_numpy(dtype=np.int64), pd.MultiIndex.from_frame(ordered[EVENT]))


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
    DatasetError
        If a name is not understood.
    """
    found: defaultdict[int, list[Path]] = defaultdict(list)
    for path in sorted(files, key=lambda one: one.name):
        match = pattern.fullmatch(path.name)
        if match is None:
            raise DatasetError(f"{path}: its name does not tell the run as {example} does; rename it, or leave it out")
        found[int(match["run"])].append(path)
    return found


def taken(
    block: Any, event_id: npt.NDArray[np.int64], run: npt.NDArray[Any] | int, wanted: Wanted, sources: Sources
) -> pd.DataFrame:
    """Return the wanted rows of a block in our columns and units.

    Parameters
    ----------
    block : mapping of str to numpy.ndarray, or structured numpy.ndarray
        Shape (m,) each.
    event_id, run : numpy.ndarray
        Shape (m,): the ids in the file; `run` may be one number for all.
    wanted : Wanted
        The events of a run.
    sources : mapping
        Our columns.

    Returns
    -------
    pandas.DataFrame
        Indexed by the stereo ids, all float64.
    """
    place = np.searchsorted(wanted.event_id, event_id)
    place[place == len(wanted.event_id)] = 0
    rows = np.flatnonzero((wanted.event_id[place] == event_id) & (run == wanted.run))
    columns = {name: convert(block[source][rows].astype(np.float64)) for name, (source, convert) in sources.items()}
    return pd.DataFrame(columns, index=wanted.index[place[rows]])


def not_found(wanted: Wanted, part: pd.DataFrame, who: str, files: list[Path]) -> list[str]:
    """Return what to say of the events of a run that are not in its files; nothing if all are."""
    if not (missing := len(wanted.event_id) - part.index.nunique()):
        return []
    names = ", ".join(path.name for path in files)
    return [f"{who} run {wanted.run}: {missing} of {len(wanted.event_id)} stereo events are not in {names}"]


def in_order_of(
    events: pd.DataFrame, parts: list[pd.DataFrame], columns: Iterable[str], lost: list[str]
) -> pd.DataFrame:
    """Return one table in the order of the stereo events, with MAGIC's ids; of an event found twice the first stays.

    Parameters
    ----------
    events : pandas.DataFrame
        Stereo events.
    parts : list of pandas.DataFrame
        Indexed by the stereo ids; there may be none.
    columns : iterable of str
        Names of the columns, ids left out.
    lost : list of str
        What is missing; it becomes an attribute of the table.
    """
    table = pd.concat([pd.DataFrame(index=events.index[:0], columns=list(columns), dtype=np.float64), *parts])
    twice = table.index.duplicated()
    if twice.any():
        lost.append(f"{np.count_nonzero(twice)} events are twice in the files: the first is taken")
    table = table[~twice]
    there = events.index[events.index.isin(table.index)]
    table = events.loc[there, MAGIC_IDS].astype(np.int64).join(table)
    table.attrs = {LOST: lost}
    return table


def as_is(values: Floats) -> Floats:
    """Return values whose unit is ours."""
    return values


def to_deg(values_rad: Floats) -> Floats:
    """Return angles in deg."""
    return np.rad2deg(values_rad)
