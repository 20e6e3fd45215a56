"""The MAGIC camera as ctapipe and magic-cta-pipe see it: pixels, neighbours, borders, groups of neighbours."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CAMERA_FILE = "magic_camera.npz"


class Groups(NamedTuple):
    """Groups of neighbouring pixels, as the sum cleaning looks at them.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (n, size), int16: pixels of each group, rising; the groups in the order of their first pixel.
    start : numpy.ndarray
        Shape (pixels of the camera + 1,), int64: where the groups begin whose first pixel this is.
    """

    pixels: NDArray[np.int16]
    start: NDArray[np.int64]


class Camera(NamedTuple):
    """The camera; lengths in m, areas in m2, everything in the order of the pixels.

    Parameters
    ----------
    x_m, y_m, area_m2, width_m : numpy.ndarray
        Shape (pixels,), float64.
    neighbours : numpy.ndarray
        Shape (pixels, 6), int16: the neighbours of each pixel, rising; -1 where it has fewer.
    border_1, border_2 : numpy.ndarray
        Shape (pixels,), bool: pixels of the outermost ring, and of the two outermost ones.
    pairs, triples, quadruples : Groups
        Groups of two, three and four neighbours.
    """

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    width_m: NDArray[np.float64]
    neighbours: NDArray[np.int16]
    border_1: NDArray[np.bool_]
    border_2: NDArray[np.bool_]
    pairs: Groups
    triples: Groups
    quadruples: Groups

    @property
    def n_pixels(self) -> int:
        """Return the number of pixels."""
        return len(self.x_m)


@lru_cache(maxsize=1)
def magic_camera() -> Camera:
    """Return the camera of both MAGIC telescopes, from the package's data."""
    with np.load(str(files("stereo_tasks.kernels") / "data" / CAMERA_FILE)) as stored:
        own = {name: stored[name] for name in Camera._fields}
    n_pixels = len(own["x_m"])
    for name in ("pairs", "triples", "quadruples"):
        pixels = np.ascontiguousarray(own[name])
        start = np.searchsorted(pixels[:, 0], np.arange(n_pixels + 1)).astype(np.int64)
        own[name] = Groups(pixels, start)
    return Camera(**own)
