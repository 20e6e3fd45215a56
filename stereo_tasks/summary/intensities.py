"""Intensity spectra of LST-1 by run, from all of its triggers, and which runs are good by them.

The limit is the seed's (juanjq/stereo_processing_magic_lst): a run is good if LST-1 records at least 62 showers a
second in the bin of 0.014 dex at log10(intensity / p.e.) = 2.1, far above its threshold. Clouds and a lower
reflectivity make it less. It is one limit for all zenith distances.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import Table

GOOD_AT_LOG10 = 2.1
GOOD_RATE_HZ = 62.0


def run_rates(spectrum: pd.DataFrame, times: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Judge runs by their rates.

    Parameters
    ----------
    spectrum : pandas.DataFrame
        run, log10_intensity_min, log10_intensity_max, n_showers: a row a run and bin.
    times : pandas.DataFrame
        run, effective_time (s), n_showers: a row a run.

    Returns
    -------
    dict
        By run: ``effective_time`` in s; ``rate_lst`` of all showers and ``rate_good`` in the bin of the limit, in 1/s,
        both over the effective time of this very run; ``good``: yes, no, unknown.
    """
    middle = (spectrum["log10_intensity_min"] + spectrum["log10_intensity_max"]) / 2
    nearest = (middle - GOOD_AT_LOG10).abs().groupby(spectrum["run"]).idxmin()
    counts = spectrum.loc[nearest].set_index("run")["n_showers"]
    judged = {}
    for run, effective_s, showers in zip(times["run"], times["effective_time"], times["n_showers"], strict=True):
        rate_hz = counts.get(run, math.nan) / effective_s if effective_s > 0 else math.nan
        good = "unknown" if math.isnan(rate_hz) else "yes" if rate_hz >= GOOD_RATE_HZ else "no"
        judged[int(run)] = {
            "effective_time": float(effective_s),
            "rate_lst": showers / effective_s if effective_s > 0 else math.nan,
            "rate_good": rate_hz,
            "good": good,
        }
    return judged


def spectra_table(spectrum: pd.DataFrame, times: pd.DataFrame) -> Table:
    """Divide the showers of each run by its own effective time; runs without one are left out.

    Parameters
    ----------
    spectrum, times : pandas.DataFrame
        As for `run_rates`.

    Returns
    -------
    astropy.table.Table
        run, edges of the bins, rate in 1/s.
    """
    effective_s = spectrum["run"].map(times.set_index("run")["effective_time"])
    known = np.isfinite(effective_s) & (effective_s > 0)
    rows = spectrum.assign(rate=spectrum["n_showers"] / effective_s)[known]  # to no rows at all pandas would add some
    table = Table.from_pandas(rows[["run", "log10_intensity_min", "log10_intensity_max", "rate"]])
    table["rate"].unit = "1/s"
    for name in table.colnames[1:]:
        table[name].info.format = ".5g"
    return table
