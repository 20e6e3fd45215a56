"""When a sample was taken: hours of live time by year, month and hour of the day (UTC)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import numpy as np
from astropy.table import Table

HOUR_S = 3600.0


def hours_table(runs: Table) -> Table:
    """Sum up the live time of runs.

    Parameters
    ----------
    runs : astropy.table.Table
        With night, start and stop (unix times in s) and live_time in s.

    Returns
    -------
    astropy.table.Table
        ``by`` (year, month, hour), ``of``, ``live_time`` in h. Years and months are those of the evening date; the live
        time of a run is spread evenly from its start to its stop over the hours of the day in UTC.
    """
    sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in runs:
        live_s = float(row["live_time"])
        if not np.isfinite(live_s):
            continue
        sums["year", row["night"][:4]] += live_s / HOUR_S
        sums["month", row["night"][4:6]] += live_s / HOUR_S
        for hour, share in _hours_of_day(float(row["start"]), float(row["stop"])).items():
            sums["hour", f"{hour:02d}"] += share * live_s / HOUR_S
    order = {"year": 0, "month": 1, "hour": 2}
    keys = sorted(sums, key=lambda key: (order[key[0]], key[1]))
    columns: list[list[Any]] = [[key[0] for key in keys], [key[1] for key in keys], [sums[key] for key in keys]]
    table = Table(columns, names=("by", "of", "live_time"), dtype=("U5", "U4", float))
    table["live_time"].unit = "h"
    table["live_time"].info.format = ".4g"
    return table


def _hours_of_day(start_s: float, stop_s: float) -> dict[int, float]:
    """Return which fraction of a time lies in which hour of the day, UTC."""
    length_s = max(stop_s - start_s, 1e-9)
    shares: defaultdict[int, float] = defaultdict(float)
    begin_s = start_s
    while begin_s < stop_s or not shares:
        end_s = min((begin_s // HOUR_S + 1) * HOUR_S, start_s + length_s)
        hour = dt.datetime.fromtimestamp(begin_s, dt.UTC).hour
        shares[hour] += (end_s - begin_s) / length_s
        begin_s = end_s
    return dict(shares)
