"""The radius of a camera: ctapipe's ``CameraGeometry.guess_radius``."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.instrument import Node

_NEIGHBOURS = 6
_REACH = 1.4
"""Neighbours of a hexagonal pixel lie within so many times the distance of the nearest one."""
_MARGIN = 1e-6
_BLOCK = 128


def camera_radius_m(geometry: Node) -> float:
    """Return the mean distance of the pixels at the border from the mean of all, in m.

    Parameters
    ----------
    geometry : Node
        A camera's table, with ``pix_x`` and ``pix_y`` in m.

    Raises
    ------
    NotCovered
        If its pixels are neither hexagons nor circles, or it is not certain which of them are neighbours.
    """
    if geometry.attributes.get("PIX_TYPE") not in ("hexagon", "hexagonal", "circle"):
        raise NotCovered(f"a camera with pixels of type {geometry.attributes.get('PIX_TYPE')}")
    x_m, y_m = (np.ascontiguousarray(geometry.rows[name], dtype=np.float64) for name in ("pix_x", "pix_y"))
    return _radius_m(x_m.tobytes(), y_m.tobytes())


@lru_cache(maxsize=8)
def _radius_m(x_bytes: bytes, y_bytes: bytes) -> float:
    x_m, y_m = np.frombuffer(x_bytes), np.frombuffer(y_bytes)
    border = _at_border(x_m, y_m)
    return float(np.sqrt((x_m[border] - x_m.mean()) ** 2 + (y_m[border] - y_m.mean()) ** 2).mean())


def _at_border(x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels have fewer neighbours than the others."""
    seen = np.zeros(len(x_m), dtype=np.int64)
    # Pixels in blocks: all distances at once would take 28 MB.
    for begin in range(0, len(x_m), _BLOCK):
        block = np.arange(begin, min(begin + _BLOCK, len(x_m)))
        square = (x_m[block, np.newaxis] - x_m) ** 2 + (y_m[block, np.newaxis] - y_m) ** 2
        square[np.arange(len(block)), block] = np.inf
        ratio = square / (_REACH**2 * square.min(axis=1))[:, np.newaxis]
        near = ratio < 1
        if bool((np.abs(ratio - 1) < _MARGIN).any()) or near.sum(axis=1).max() > _NEIGHBOURS:
            raise NotCovered("a camera with pixels of which it is not certain whether they are neighbours")
        seen += near.sum(axis=0)
    return np.asarray(seen < seen.max())
