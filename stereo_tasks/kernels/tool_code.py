"""The machine code of ctapipe: what it compiles when it is first imported, and when a function is first called.

Where that has not been done before, the first jobs that run magic-cta-pipe's own tools do it, all at once.
"""

from __future__ import annotations

import numpy as np


def fill() -> None:
    """Compile what the tools need, into the folder that numba's ``NUMBA_CACHE_DIR`` names."""
    import ctapipe_io_lst  # noqa: F401 - what it imports is compiled
    from ctapipe.image import hillas_parameters, number_of_islands, timing_parameters
    from ctapipe_io_magic import load_camera_geometry

    geometry = load_camera_geometry()
    mask = np.zeros(geometry.n_pixels, dtype=bool)
    mask[0] = True
    mask |= geometry.neighbor_matrix[0]
    number_of_islands(geometry, mask)
    image = np.where(mask, np.arange(1.0, geometry.n_pixels + 1), 0)
    for dtype in (np.float32, np.float64):
        values = image.astype(dtype)[mask]
        hillas = hillas_parameters(geometry[mask], values)
        timing_parameters(geometry[mask], values, values, hillas)


if __name__ == "__main__":
    fill()
