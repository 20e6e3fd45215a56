"""The common sample: the events with three telescopes that every chain of analysis has, and the check of that."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.errors import DatasetError


def event_list(rows: pd.DataFrame) -> pd.MultiIndex:
    """Return the events of a table, each once, sorted.

    Parameters
    ----------
    rows : pandas.DataFrame
        With obs_id and event_id.
    """
    return pd.MultiIndex.from_frame(rows[EVENT].astype("int64")).unique().sort_values()


def common_events(lists: Mapping[str, pd.MultiIndex]) -> pd.MultiIndex:
    """Return the events that are in all lists, sorted."""
    first, *others = lists.values()
    for other in others:
        first = first.intersection(other)
    return first.sort_values()


def is_among(rows: npt.NDArray[np.void], events: pd.MultiIndex) -> npt.NDArray[np.bool_]:
    """Return which rows are of some events: shape (n_rows,), bool."""
    found: npt.NDArray[np.bool_] = pd.MultiIndex.from_arrays([rows[name] for name in EVENT]).isin(events)
    return found


def check_equal(lists: Mapping[str, pd.MultiIndex]) -> None:
    """Check that lists have the same events.

    Raises
    ------
    DatasetError
        If not; with two tables that differ, and in how many events.
    """
    (name, first), *others = lists.items()
    for other_name, other in others:
        if differing := len(first.symmetric_difference(other)):
            raise DatasetError(
                f"the common sample is none: {differing} events are in only one of {name} and {other_name}"
            )
