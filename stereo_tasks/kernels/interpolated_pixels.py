"""Bad pixels of an image, interpolated from their neighbours, as ``PixelTreatment`` of magic-cta-pipe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.sums import pairwise_sum

MIN_GOOD_NEIGHBOURS = 3
_TIME_OUTLIER = np.float32(250)
_LARGE = 1e10
"""Constants of magic-cta-pipe that no configuration of ours sets."""


@jit
def interpolate(
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    unsuitable: NDArray[np.bool_],
    neighbours: NDArray[np.int16],
    unmapped: NDArray[np.bool_],
    work: NDArray[np.float32],
) -> None:
    """Give bad pixels the mean charge of their good neighbours and the mean of their two closest times.

    A pixel with fewer than three good neighbours is unmapped and gets no charge. Follows ``PixelTreatment.treat``.

    Parameters
    ----------
    charge, time : numpy.ndarray
        Shape (pixels,), float32: one event; changed in place.
    unsuitable : numpy.ndarray
        Shape (pixels,): the bad pixels.
    neighbours : numpy.ndarray
        See `Camera`.
    unmapped : numpy.ndarray
        Shape (pixels,): filled here.
    work : numpy.ndarray
        Shape (pixels,), float32: zeros, also afterwards.
    """
    times = np.empty(neighbours.shape[1], dtype=np.float32)
    for pixel in range(len(charge)):
        unmapped[pixel] = False
        if not unsuitable[pixel]:
            continue
        good, valid = 0, 0
        for neighbour in neighbours[pixel]:
            if neighbour < 0 or unsuitable[neighbour]:
                continue
            times[good] = time[neighbour]
            good += 1
            if not np.isnan(charge[neighbour]):
                work[neighbour] = charge[neighbour]
                valid += 1
        if good < MIN_GOOD_NEIGHBOURS:
            charge[pixel] = 0
            unmapped[pixel] = True
        else:
            # numpy's nanmean of the whole camera, with zeros at all other pixels: the places decide the order.
            charge[pixel] = np.float64(pairwise_sum(work, 0, len(work))) / valid if valid else np.nan
            time[pixel] = _mean_of_closest(times, good, time[pixel])
        for neighbour in neighbours[pixel]:
            if neighbour >= 0:
                work[neighbour] = 0


@jit
def _mean_of_closest(times: NDArray[np.float32], n_times: int, otherwise: np.float32) -> np.float32:
    """Return the mean of the two closest times; a pair 250 ns apart or more wins over any before it, as in MCP."""
    smallest = _LARGE
    first, second = -1, -1
    for j in range(n_times):
        for k in range(j):
            difference = np.float64(abs(times[j] - times[k]))
            if difference >= smallest and difference < _TIME_OUTLIER:
                continue
            first, second, smallest = j, k, difference
    if first >= 0 and abs(times[first] - times[second]) < _TIME_OUTLIER:
        return np.float32((times[first] + times[second]) / np.float32(2))
    return otherwise
