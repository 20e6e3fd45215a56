"""Islands of an image: pixels that touch each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.sums import pairwise_sum


@jit
def label_islands(mask: NDArray[np.bool_], neighbours: NDArray[np.int16], labels: NDArray[np.int64]) -> int:
    """Count off the islands of neighbouring pixels from 1, in the order of their first pixel.

    Parameters
    ----------
    mask : numpy.ndarray
        Shape (pixels,): the pixels to group.
    neighbours : numpy.ndarray
        See `Camera`.
    labels : numpy.ndarray
        Shape (pixels,), int64: filled here; 0 outside of the mask.

    Returns
    -------
    int
        The number of islands.
    """
    labels[:] = 0
    waiting = np.empty(len(mask), dtype=np.int64)
    n_islands = 0
    for pixel in range(len(mask)):
        if not mask[pixel] or labels[pixel]:
            continue
        n_islands += 1
        labels[pixel] = n_islands
        waiting[0], n_waiting = pixel, 1
        while n_waiting:
            n_waiting -= 1
            for neighbour in neighbours[waiting[n_waiting]]:
                if neighbour >= 0 and mask[neighbour] and not labels[neighbour]:
                    labels[neighbour] = n_islands
                    waiting[n_waiting] = neighbour
                    n_waiting += 1
    return n_islands


def count_islands(mask: NDArray[np.bool_], neighbours: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the number of islands in each image.

    Parameters
    ----------
    mask : numpy.ndarray
        Shape (images, pixels).
    neighbours : numpy.ndarray
        See `Camera`.
    """
    numbers = np.empty(len(mask), dtype=np.int64)
    _count_islands(mask, neighbours, numbers)
    return numbers


@jit
def _count_islands(mask: NDArray[np.bool_], neighbours: NDArray[np.int16], numbers: NDArray[np.int64]) -> None:
    labels = np.empty(mask.shape[1], dtype=np.int64)
    for i in range(len(mask)):
        numbers[i] = label_islands(mask[i], neighbours, labels)


@jit
def brightest_island_time(
    charge: NDArray[np.float32], time: NDArray[np.float32], neighbours: NDArray[np.int16], mask: NDArray[np.bool_]
) -> np.float32:
    """Return the mean time of the island with the most charge, weighted with the squared charges.

    Parameters
    ----------
    charge, time : numpy.ndarray
        Shape (pixels,), float32: charge in p.e. and arrival time in ns.
    neighbours : numpy.ndarray
        See `Camera`.
    mask : numpy.ndarray
        Shape (pixels,): the pixels that form islands; at least one.

    Returns
    -------
    numpy.float32
        In ns.
    """
    labels = np.empty(len(charge), dtype=np.int64)
    n_islands = label_islands(mask, neighbours, labels)
    island = np.empty(len(charge), dtype=np.float32)
    brightest, most = 1, np.float32(-np.inf)
    for label in range(1, n_islands + 1):
        size = 0
        for pixel in range(len(charge)):
            if labels[pixel] == label:
                island[size] = charge[pixel]
                size += 1
        total = pairwise_sum(island, 0, size)
        if total > most:
            brightest, most = label, total
    weighted = np.empty(len(charge), dtype=np.float32)
    size = 0
    for pixel in range(len(charge)):
        if labels[pixel] == brightest:
            island[size] = charge[pixel] * charge[pixel]
            weighted[size] = time[pixel] * island[size]
            size += 1
    return np.float32(pairwise_sum(weighted, 0, size) / pairwise_sum(island, 0, size))
