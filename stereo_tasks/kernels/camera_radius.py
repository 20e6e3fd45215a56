"""The radius of a camera: ctapipe's ``CameraGeometry.guess_radius``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered

_NEIGHBOURS = 6
_REACH = 1.4
"""Neighbours of a hexagonal pixel lie within so many times the distance of the nearest one."""
_MARGIN = 1e-6


def camera_radius_m(geometry: NDArray[Any]) -> float:
    """Return the mean distance of the pixels at the border from the mean of all, in m.

    Parameters
    ----------
    geometry : numpy.ndarray
        Shape (n_pixels,): a camera's table, with ``pix_x`` and ``pix_y`` in m; hexagonal or round pixels.

    Raises
    ------
    NotCovered
        If it is not certain which pixels are neighbours.
    """
    return _radius_m(np.ascontiguousarray(geometry["pix_x"]).tobytes(), np.ascontiguousarray(geometry["pix_y"]).tobytes())


@lru_cache(maxsize=8)
def _radius_m(x_bytes: bytes, y_bytes: bytes) -> float:
    x_m, y_m = np.frombuffer(x_bytes), np.frombuffer(y_bytes)
    border = _at_border(x_m, y_m)
    return float(np.sqrt((x_m[border] - x_m.mean()) ** 2 + (y_m[border] - y_m.mean()) ** 2).mean())


def _at_border(x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels have fewer neighbours than the others."""
    seen = np.zeros(len(x_m), dtype=np.int64)
    # Pixel by pixel in blocks: all distances at once would be 27 MB.
    for begin in range(0, len(x_m), 256):
        block = slice(begin, begin + 256)
        distance = np.hypot(x_m[block, np.newaxis] - x_m, y_m[block, np.newaxis] - y_m)
        nearest = np.argpartition(distance, _NEIGHBOURS + 1, axis=1)[:, : _NEIGHBOURS + 1]
        candidates = np.take_along_axis(distance, nearest, axis=1)
        order = np.argsort(candidates, axis=1)
        nearest, candidates = np.take_along_axis(nearest, order, axis=1), np.take_along_axis(candidates, order, axis=1)
        nearest, candidates = nearest[:, 1:], candidates[:, 1:]
        ratio = candidates / candidates[:, :1]
        if bool((np.abs(ratio - _REACH) < _MARGIN).any()):
            raise NotCovered("a camera with pixels of which it is not certain whether they are neighbours")
        np.add.at(seen, nearest[ratio < _REACH], 1)
    return np.asarray(seen < seen.max())
