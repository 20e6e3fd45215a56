"""DL1 files of MAGIC subruns, laid out as magic-cta-pipe's ``magic_calib_to_dl1`` lays them out."""

from __future__ import annotations

import shutil
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import tables
from numpy.typing import NDArray

TEMPLATE_FILE = "magic_dl1.h5"
EVENTS = "/events/parameters"
FILTERS = tables.Filters(complevel=5, complib="blosc:zstd", fletcher32=True)
"""Filters of ctapipe's ``HDF5TableWriter``."""

_READOUT = "/configuration/instrument/telescope/camera/readout_1"


@lru_cache(maxsize=1)
def columns() -> np.dtype[np.void]:
    """Return names and types of the columns of a DL1 table."""
    with tables.open_file(_template()) as file:
        dtype: np.dtype[np.void] = file.get_node(EVENTS).dtype
    return dtype


def write_dl1(path: Path, rows: NDArray[np.void], n_samples: int, sampling_rate_ghz: np.float64) -> None:
    """Write a DL1 file.

    Parameters
    ----------
    path : pathlib.Path
        Target; replaced if it exists.
    rows : numpy.ndarray
        Shape (events,) with the columns of `columns`; without any event the file has no table, as magic-cta-pipe's.
    n_samples : int
        Samples of the readout.
    sampling_rate_ghz : float
        Sampling rate of the readout in GHz.
    """
    shutil.copyfile(_template(), path)
    with tables.open_file(str(path), "a", filters=FILTERS) as file:
        if len(rows):
            file.get_node(EVENTS).append(rows)
        else:
            file.remove_node("/events", recursive=True)
        attributes = file.get_node(_READOUT).attrs
        attributes.NSAMPLES = np.int64(n_samples)
        attributes.SAMPFREQ = np.float64(sampling_rate_ghz)


def _template() -> str:
    return str(files("stereo_tasks.kernels") / "data" / TEMPLATE_FILE)
