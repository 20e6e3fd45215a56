"""Files as autoMCP writes them: the same columns, types, keys and formats."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

_FILE = "/fefs/aswg/data/real/DL1/{date}/v0.10/tailcut84/dl1_LST-1.Run{run}.h5"


def lst_row(**changes: Any) -> dict[str, Any]:
    row = {
        "DATE": "20220310", "source": "CrabNebula", "LST1_run": "07173", "MAGIC_stereo": True, "MAGIC_trigger": "L3T",
        "MAGIC_HV": "Nominal", "perfect_match_time_min": 18.5, "nsb": 1.42, "lstchain_versions": "['v0.9', 'v0.10']",
        "tailcut": "tailcut84", "error_code_nsb": "0", "ra": 83.63, "dec": 22.01, "MC_dec": 22.76,
        "point_source": "True", "wobble_offset": "['0.40']",
    } | changes  # fmt: skip
    path = _FILE.format(date=row["DATE"], run=row["LST1_run"])
    return {"last_lstchain_file": path, "processed_lstchain_file": path} | row


def magic_row(run: int, **changes: Any) -> dict[str, Any]:
    return {"DATE": 20220310, "source": "CrabNebula", "Run ID": run, "number of subruns": 12} | changes


def write_lst(path: Path, *rows: dict[str, Any]) -> Path:
    frame = pd.DataFrame(list(rows))
    sizes = {"lstchain_versions": 20, "last_lstchain_file": 100, "processed_lstchain_file": 100}
    with warnings.catch_warnings(action="ignore"):  # pandas would rather have other types
        frame.to_hdf(path, key="joint_obs", mode="w", min_itemsize=sizes)
    return path


def write_magic(path: Path, m1: list[dict[str, Any]], m2: list[dict[str, Any]], mode: str = "w") -> Path:
    for telescope, rows in ((1, m1), (2, m2)):
        frame = pd.DataFrame(rows)
        if not rows:
            frame = pd.DataFrame([magic_row(1)]).iloc[:0]
        frame.to_hdf(path, key=f"MAGIC{telescope}/runs_M{telescope}", mode=mode, format="table")
        mode = "a"
    return path
