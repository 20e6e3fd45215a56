"""Make the constants of `calibrate`, for a new release of ctapipe or magic-cta-pipe.

``python -m stereo_tasks.kernels.calibrate_constants DL1_FILE`` with any product of magic-cta-pipe's own
``magic_calib_to_dl1`` writes the camera and the empty DL1 file of ``stereo_tasks/kernels/data``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import CAMERA_FILE
from stereo_tasks.kernels.dl1_file import EVENTS, FILTERS, TEMPLATE_FILE

DATA = Path(__file__).parent / "data"

_GROUP_SIZES = {"pairs": 2, "triples": 3, "quadruples": 4}
_MOST_NEIGHBOURS = 6


def camera_arrays() -> dict[str, NDArray[Any]]:
    """Return the fields of `stereo_tasks.kernels.camera.Camera` from ctapipe's geometry of the MAGIC camera."""
    from ctapipe_io_magic import load_camera_geometry
    from magicctapipe.image import MAGICClean

    geometry = load_camera_geometry()
    neighbours = np.full((geometry.n_pixels, _MOST_NEIGHBOURS), -1, dtype=np.int16)
    for pixel, row in enumerate(geometry.neighbor_matrix):
        found = np.flatnonzero(row)
        neighbours[pixel, : len(found)] = found
    cleaning = MAGICClean(geometry, {"use_sum": False})
    groups = {name: cleaning.GetListOfNN(size).astype(np.int16) for name, size in _GROUP_SIZES.items()}
    return {
        "x_m": geometry.pix_x.to_value("m"),
        "y_m": geometry.pix_y.to_value("m"),
        "area_m2": geometry.pix_area.to_value("m2"),
        "width_m": geometry.pixel_width.to_value("m"),
        "neighbours": neighbours,
        "border_1": geometry.get_border_pixel_mask(1),
        "border_2": geometry.get_border_pixel_mask(2),
        **groups,
    }


def write_template(product: Path, path: Path) -> None:
    """Write a DL1 file without its events, but with their table and the configuration.

    Parameters
    ----------
    product : pathlib.Path
        A file that magic-cta-pipe's ``magic_calib_to_dl1`` made.
    path : pathlib.Path
        The new file.
    """
    import tables

    with tables.open_file(str(product)) as made, tables.open_file(str(path), "w", filters=FILTERS) as empty:
        made.copy_node("/configuration", empty.root, recursive=True)
        made.get_node(EVENTS).copy(empty.create_group("/", "events"), stop=0, chunkshape="keep")


def main(product: str) -> None:
    """Write both files."""
    DATA.mkdir(exist_ok=True)
    np.savez_compressed(DATA / CAMERA_FILE, **camera_arrays())  # type: ignore[arg-type]
    write_template(Path(product), DATA / TEMPLATE_FILE)


if __name__ == "__main__":
    main(sys.argv[1])
