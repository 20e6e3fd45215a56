"""LST-1 DL1 subrun files with the columns that lstchain writes and magic-cta-pipe reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import atomic
from stereo_tasks.simulate.cameras import LST, LST_EQUIVALENT_FOCAL_M, PIXELS, lst_subarray

FLATFIELD_EVENT, PEDESTAL_EVENT, COSMIC_EVENT = 0, 2, 32
"""ctapipe's EventType numbers."""

PARAMETER_TABLE = "/dl1/event/telescope/parameters/LST_LSTCam"

FLATFIELD_PE = 69.0
"""Flat-field light a pixel (lstchain's nightly checks expect 69 p.e.)."""


@dataclass(frozen=True)
class LstSubrun:
    """One LST-1 subrun: n events in time order.

    Parameters
    ----------
    run, subrun : int
        Run number, subrun number from 0.
    first_event : int
        Event number of the first event; they rise through the run.
    time_ns : numpy.ndarray
        Shape (n,), int64: unix times in ns.
    event_type : numpy.ndarray
        Shape (n,): 32 cosmic, 2 pedestal, 0 flat-field.
    parameters : dict of str to numpy.ndarray
        Shape (n,) each: image parameters in m, deg and 1/m; NaN where an image did not survive the cleaning.
    alt_deg, az_deg : numpy.ndarray
        Shape (n,): pointing.
    """

    run: int
    subrun: int
    first_event: int
    time_ns: NDArray[np.int64]
    event_type: NDArray[np.int64]
    parameters: dict[str, NDArray[np.float64]]
    alt_deg: NDArray[np.float64]
    az_deg: NDArray[np.float64]


def lst_folder(out: Path, night: Night, version: str, tailcut: str) -> Path:
    """Return the folder of a night's DL1 files."""
    return out / "LST" / "DL1" / night.lst_date / version / tailcut


def lst_path(folder: Path, run: int, subrun: int) -> Path:
    """Return the path of a subrun file."""
    return folder / f"dl1_LST-1.Run{run:05d}.{subrun:04d}.h5"


def write_lst(path: Path, data: LstSubrun) -> None:
    """Write a subrun file: the parameter table and the instrument description."""
    from astropy.table import Table
    from ctapipe.io import write_table

    table = Table(dl1_columns(data))
    with atomic(path) as temporary:
        temporary.unlink()
        write_table(table, temporary, PARAMETER_TABLE, overwrite=True)
        lst_subarray().to_hdf(temporary, overwrite=True)


def flatfield_parameters(n: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return the intensity of flat-field events; nothing else of them is meaningful."""
    total = FLATFIELD_PE * PIXELS[LST]
    return {"intensity": rng.normal(total, 0.02 * total, n)}


def dl1_columns(data: LstSubrun) -> dict[str, Any]:
    """Return the columns of the parameter table, in lstchain's units."""
    p, n = data.parameters, len(data.time_ns)
    seconds = data.time_ns // 1_000_000_000
    # Seconds and fraction are added last: a float64 keeps unix times to 0.24 us only, as in real files.
    time = seconds + (data.time_ns % 1_000_000_000) * 1e-9
    columns: dict[str, Any] = {
        "obs_id": np.full(n, data.run, dtype=np.int64),
        "event_id": np.arange(data.first_event, data.first_event + n, dtype=np.int64),
        "tel_id": np.full(n, LST, dtype=np.int16),
        "event_type": data.event_type.astype(np.int64),
        "trigger_type": np.where(data.event_type == COSMIC_EVENT, 1, 0).astype(np.int64),
        "dragon_time": time,
        "ucts_time": time,
        "tib_time": time,
        "alt_tel": np.deg2rad(data.alt_deg),
        "az_tel": np.deg2rad(data.az_deg) % (2 * np.pi),
        "phi": np.deg2rad(p["phi"]),
        "psi": np.deg2rad(p["psi"]),
        "time_gradient": p["slope"],
        "n_pixels": np.nan_to_num(p["n_pixels"]).astype(np.int64),
        "n_islands": np.nan_to_num(p["n_islands"]).astype(np.int64),
        "wl": p["width"] / p["length"],
        "log_intensity": np.log10(p["intensity"]),
    }
    for name in ("intensity", "x", "y", "r", "skewness", "kurtosis", "intercept"):
        columns[name] = p[name]
    for name in ("length", "length_uncertainty", "width", "width_uncertainty"):
        columns[name] = np.rad2deg(np.arctan(p[name] / LST_EQUIVALENT_FOCAL_M))
    for kind in ("intensity", "pixels"):
        for ring in (1, 2):
            columns[f"leakage_{kind}_width_{ring}"] = p[f"{kind}_width_{ring}"]
    for name in ("cog", "core", "pixel"):
        columns[f"concentration_{name}"] = p[f"concentration_{name}"]
    return columns
