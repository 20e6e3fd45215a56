"""What the search for coincidences noted of each subrun: features, and profiles of coincidences against time offset."""

from __future__ import annotations

import numpy as np
import pandas as pd

GRID_US = 0.1
"""Step of the offsets that magic-cta-pipe scans."""
_NUMBERS = ["n_coincidence_tel12", "n_coincidence_tel13"]
SUBRUN = ["run", "subrun"]


def feature(table: pd.DataFrame, run: int, subrun: int) -> pd.DataFrame:
    """Return the features of a subrun with its run and number."""
    return _numbered(table, run, subrun)


def profile(table: pd.DataFrame, run: int, subrun: int) -> pd.DataFrame:
    """Return the profile of a subrun on the grid of all subruns.

    Parameters
    ----------
    table : pandas.DataFrame
        As magic-cta-pipe wrote it, with time_offset in us; one telescope may lack offsets that the other has.

    Returns
    -------
    pandas.DataFrame
        One row an offset, whose number counts steps from 0; 0 coincidences where nothing was scanned.
    """
    return _numbered(_summed(table.reindex(columns=["time_offset", *_NUMBERS])), run, subrun)


def summed(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the sum of profiles by their offsets: each search has its own range of them.

    Parameters
    ----------
    profiles : pandas.DataFrame
        Profiles one below the other.
    """
    return _summed(profiles[["time_offset", *_NUMBERS]])


def _summed(profiles: pd.DataFrame) -> pd.DataFrame:
    # Half steps go up, not to the even one: two neighbours never fall into one step.
    steps = np.floor((profiles["time_offset"] / GRID_US).round(3) + 0.5).astype(np.int64)
    total = profiles[_NUMBERS].fillna(0).astype(np.int64).groupby(steps.to_numpy()).sum()
    return total.assign(time_offset=np.round(total.index * GRID_US, 1)).reset_index(drop=True)[
        ["time_offset", *_NUMBERS]
    ]


def _numbered(table: pd.DataFrame, run: int, subrun: int) -> pd.DataFrame:
    return table.assign(run=np.int64(run), subrun=np.int64(subrun))[[*SUBRUN, *table.columns]]
