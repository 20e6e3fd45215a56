"""The runs of a sample: a row each, from its images, the index of the DL3, and all triggers of LST-1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from astropy.coordinates import angular_separation
from astropy.table import Table
from astropy.time import Time

from stereo_tasks.datasets.combinations import EVENT, NAMES
from stereo_tasks.kernels.telescopes import COMBINATIONS, LST1, M1, M2
from stereo_tasks.summary.counting import Floats

PAIRS = {"lst_m1": (LST1, M1), "lst_m2": (LST1, M2), "m1_m2": (M1, M2)}
_UNITS = {
    "zenith": "deg", "azimuth": "deg", "pointing_ra": "deg", "pointing_dec": "deg", "on_time": "s", "live_time": "s",
    "effective_time": "s", "rate_lst": "1/s", "rate_good": "1/s", "separation": "deg", "spread": "deg", "start": "s",
    "stop": "s",
}  # fmt: skip
UNKNOWN = math.nan


def separations_deg(images: pd.DataFrame, pair: tuple[int, int]) -> Floats:
    """Return how far two telescopes pointed apart, event by event, in deg: shape (n_events that both saw,).

    Parameters
    ----------
    images : pandas.DataFrame
        With obs_id, event_id, tel_id, and pointing_alt and pointing_az in rad.
    pair : tuple of int
        Telescopes as magic-cta-pipe numbers them.
    """
    first, second = (
        images.loc[images["tel_id"] == tel_id, [*EVENT, "pointing_alt", "pointing_az"]].set_index(EVENT)
        for tel_id in pair
    )
    both = first.join(second, how="inner", lsuffix="_1", rsuffix="_2")
    angles = (both[f"pointing_{angle}_{number}"].to_numpy() for number in (1, 2) for angle in ("az", "alt"))
    return np.asarray(np.degrees(angular_separation(*angles)))


def run_row(run: int, night: str, images: pd.DataFrame) -> dict[str, Any]:
    """Describe a run by its images.

    Parameters
    ----------
    run : int
        Of LST-1.
    night : str
        Evening date as in the names of folders, ``20240110``.
    images : pandas.DataFrame
        Merged images of the run.

    Returns
    -------
    dict
        Angles in deg, start and stop as unix times in s, numbers of **events** (not of images).
    """
    events = images.drop_duplicates(EVENT)
    az, alt = events["pointing_az"].to_numpy(), events["pointing_alt"].to_numpy()
    ra = np.radians(events["pointing_ra"].to_numpy())
    row: dict[str, Any] = {
        "run": run,
        "night": night,
        "start": events["timestamp"].min(),
        "stop": events["timestamp"].max(),
        "zenith": 90 - math.degrees(alt.mean()),
        "azimuth": _mean_angle_deg(az),
        "pointing_ra": _mean_angle_deg(ra),
        "pointing_dec": events["pointing_dec"].mean(),
        "events": len(events),
    }
    for name, telescopes in NAMES.items():
        row[f"events_{name}"] = int(np.count_nonzero(events["combo_type"] == COMBINATIONS[telescopes]))
    for name, pair in PAIRS.items():
        apart = separations_deg(images, pair)
        row[f"separation_{name}"] = apart.mean() if len(apart) else UNKNOWN
        row[f"spread_{name}"] = apart.std() if len(apart) else UNKNOWN
    return row


def runs_table(
    rows: list[dict[str, Any]],
    times: Mapping[tuple[str, int], tuple[float, float]],
    triggers: Mapping[int, Mapping[str, Any]],
) -> Table:
    """Put the runs of all nights together, in order of their start.

    Parameters
    ----------
    rows : list of dict
        From `run_row`.
    times : mapping of (str, int) to (float, float)
        ON time and live time in s of a night and run, as the index of the DL3 has them.
    triggers : mapping of int to mapping
        By run: ``effective_time`` in s, ``rate_lst`` and ``rate_good`` in 1/s, and ``good``.

    Returns
    -------
    astropy.table.Table
        Not a number where something is not known; ``good`` is yes, no, or unknown.
    """
    made = []
    for row in sorted(rows, key=lambda one: one["start"]):
        on_time, live_time = times.get((row["night"], row["run"]), (UNKNOWN, UNKNOWN))
        own = triggers.get(row["run"], {})
        known = {name: own.get(name, UNKNOWN) for name in ("effective_time", "rate_lst", "rate_good")}
        start_utc, stop_utc = (Time(row[name], format="unix", scale="utc").isot for name in ("start", "stop"))
        utc = {"start_utc": start_utc, "stop_utc": stop_utc}
        made.append(
            {**row, **utc, "on_time": on_time, "live_time": live_time, **known, "good": own.get("good", "unknown")}
        )
    table = Table(rows=made)
    for name in table.colnames:
        unit = _UNITS.get(name) or _UNITS.get(name.partition("_")[0])
        if unit and table[name].dtype.kind == "f":
            table[name].unit = unit
            table[name].info.format = ".3f" if name in ("start", "stop") else ".6g"
    return table


def _mean_angle_deg(angle_rad: Floats) -> float:
    """Return the mean of directions around a circle: 359 and 1 deg have 0 deg in their middle, not 180 deg."""
    return math.degrees(math.atan2(np.sin(angle_rad).mean(), np.cos(angle_rad).mean())) % 360
