"""The cleaned images of a subrun, one behind the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Images(NamedTuple):
    """Pixels of cleaned images: image i has the flat elements from ``start[i]`` to ``start[i + 1]``.

    Parameters
    ----------
    start : numpy.ndarray
        Shape (images + 1,), int64.
    pixel : numpy.ndarray
        Shape (elements,), int64, rising within an image.
    charge_pe, time_ns : numpy.ndarray
        Shape (elements,), float64.
    """

    start: NDArray[np.int64]
    pixel: NDArray[np.int64]
    charge_pe: NDArray[np.float64]
    time_ns: NDArray[np.float64]

    @property
    def n_pixels(self) -> NDArray[np.int64]:
        """Return the number of pixels of each image."""
        return np.diff(self.start)

    @property
    def image(self) -> NDArray[np.int64]:
        """Return the image of each flat element."""
        return np.repeat(np.arange(len(self.start) - 1), self.n_pixels)


def usable(charge_pe: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the events of which something survives the cleaning, without a negative charge.

    Parameters
    ----------
    charge_pe : numpy.ndarray
        Shape (events, pixels), float32.
    mask : numpy.ndarray
        Shape (events, pixels), bool: the pixels that survive.
    """
    return np.flatnonzero(mask.any(axis=1) & ~(mask & (charge_pe < 0)).any(axis=1))


def cut_out(
    charge_pe: NDArray[np.float32], time_ns: NDArray[np.float32], mask: NDArray[np.bool_], events: NDArray[np.int64]
) -> Images:
    """Return the images of some events.

    Parameters
    ----------
    charge_pe, time_ns, mask : numpy.ndarray
        Shape (events, pixels).
    events : numpy.ndarray
        Shape (images,): rows of those.
    """
    row, pixel = np.nonzero(mask[events])
    start = np.searchsorted(row, np.arange(len(events) + 1)).astype(np.int64)
    at = (events[row], pixel)
    return Images(start, pixel, charge_pe[at].astype(np.float64), time_ns[at].astype(np.float64))
