"""Time offsets and pointings of the subruns of a sample, as the search for coincidences noted them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.coordinates import angular_separation
from astropy.table import Table
from astropy.time import Time

PAIRS = {"lst_m1": 12, "lst_m2": 13}
"""Names, and magic-cta-pipe's numbers of pairs of telescopes."""


def subruns_table(features: pd.DataFrame) -> Table:
    """Make a row a subrun of its features.

    Parameters
    ----------
    features : pandas.DataFrame
        A row a subrun and pair of telescopes.

    Returns
    -------
    astropy.table.Table
        For each pair the time offset (us), the number of coincidences, and how far LST-1 and MAGIC pointed apart (deg);
        ``time_offset``, the mean of the pairs weighted with their coincidences. In order of time.
    """
    rows = features.assign(
        apart=np.degrees(angular_separation(*(features[f"pointing_{one}"].to_numpy() for one in _ANGLES))),
        zenith=90 - np.degrees(features["pointing_alt_lst"]),
    )
    key = ["run", "subrun"]
    table = rows.groupby(key)[["unix_time", "zenith"]].mean()
    for name, number in PAIRS.items():
        own = rows[rows["coincidence_id"] == number].drop_duplicates(key, keep="last").set_index(key)
        named = {"average_offset": "time_offset", "n_coincidence": "coincidences", "apart": "separation"}
        table = table.join(own[list(named)].rename(columns={old: f"{new}_{name}" for old, new in named.items()}))
    offsets = table[[f"time_offset_{name}" for name in PAIRS]].to_numpy()
    weights = np.where(np.isfinite(offsets), table[[f"coincidences_{name}" for name in PAIRS]].to_numpy(), 0.0)
    with np.errstate(invalid="ignore"):
        table["time_offset"] = np.nansum(offsets * weights, axis=1) / weights.sum(axis=1)
    table = table.reset_index().sort_values("unix_time", ignore_index=True)
    made = Table.from_pandas(table)
    made.add_column(Time(table["unix_time"].to_numpy(), format="unix", scale="utc").isot, name="time_utc", index=2)
    for name in made.colnames:
        unit = {"time": "us", "unix": "s", "zenith": "deg", "separation": "deg"}.get(name.partition("_")[0])
        if unit and name != "time_utc":
            made[name].unit = unit
            made[name].info.format = ".3f" if name == "unix_time" else ".5g"
    return made


_ANGLES = ("az_lst", "alt_lst", "az_magic", "alt_magic")
