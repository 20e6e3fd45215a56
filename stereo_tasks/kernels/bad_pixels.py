"""Pixels whose charges spread too much or too little: ``_get_badrmspixel_mask`` of ``ctapipe_io_magic``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.calibrated_file import Subrun

_LARGEST_RMS_PE = 200
_LEVEL = 400
_DEVIATIONS = 4.5


def bad_pixels(subrun: Subrun) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return the sets of bad pixels, dead ones and those of each pedestal sample, and which set holds for an event.

    Returns
    -------
    tuple of numpy.ndarray
        Shape (samples, pixels), bool, and (events,), int64.
    """
    masks = np.array([subrun.dead_pixels | bad_rms(rms) for rms in subrun.pedestals.rms_pe])
    return masks, sample_of_events(subrun.pedestals.unix_s, subrun.time.unix)


def sample_of_events(sample_s: NDArray[np.float64], event_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the last pedestal sample in the file that is older than an event; the first if none is.

    Parameters
    ----------
    sample_s, event_s : numpy.ndarray
        Shape (samples,) and (events,): Unix times in s, in any order.
    """
    older = sample_s[:, None] < event_s[None, :]
    last = len(sample_s) - 1 - np.argmax(older[::-1], axis=0)
    return np.where(older.any(axis=0), last, 0).astype(np.int64)


def bad_rms(rms_pe: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels that stand out of the others.

    Parameters
    ----------
    rms_pe : numpy.ndarray
        Shape (pixels,), float32 or float64: spread of the charges in one pedestal sample. All operations stay in this
        type.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sensible = rms_pe[(rms_pe > 0) & (rms_pe < _LARGEST_RMS_PE)]
        mean = _mean(sensible)
        if mean == 0:
            return np.zeros(len(rms_pe), dtype=np.bool_)
        usual = rms_pe[(rms_pe > 0.5 * mean) & (rms_pe < 1.5 * mean)]
        mean = _mean(usual)
        if not len(usual) or mean == 0:
            return np.zeros(len(rms_pe), dtype=np.bool_)
        deviation = _DEVIATIONS * np.sqrt(_mean(usual**2) - mean**2)
        bad: NDArray[np.bool_] = (
            (rms_pe < mean / _LEVEL)
            | (rms_pe > mean * _LEVEL)
            | (rms_pe < mean - deviation)
            | (rms_pe > mean + deviation)
        )
    return bad


def _mean(values: NDArray[Any]) -> Any:
    return values.mean() if len(values) else values.dtype.type(np.nan)
