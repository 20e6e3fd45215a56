"""The three telescopes: where they stand, how their cameras look at the sky, and which pixel a direction falls in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import Camera as ParameterCamera
from stereo_tasks.kernels.camera import Groups, magic_camera

LST, M1, M2 = 1, 2, 3
"""Telescope numbers of magic-cta-pipe's hard-coded combinations; the axis of every per-telescope array is (1, 2, 3)."""

TEL_IDS = (LST, M1, M2)

POSITIONS_M: NDArray[np.float64] = np.array([[-8.09, 77.13, 0.78], [39.3, -62.55, -0.97], [-31.21, -14.57, 0.2]])
"""Telescope positions (north, west, up) in m around the barycentre, as magic-cta-pipe 0.6.2 writes them to DL1."""

FOCAL_M = {LST: 29.30565, M1: 17 * 1.0713, M2: 17 * 1.0713}
"""Effective focal lengths in m, with which ctapipe turns camera positions into angles."""

LST_EQUIVALENT_FOCAL_M = 28.0
"""The focal length in m with which lstchain turns lengths and widths into degrees."""

PIXELS = {LST: 1855, M1: 1039, M2: 1039}


@dataclass(frozen=True)
class Camera:
    """Pixels of one camera and a fine table from positions to pixels.

    Parameters
    ----------
    geometry : ctapipe.instrument.CameraGeometry
        Pixel positions in the camera frame, x along the altitude and y along the azimuth.
    neighbours : numpy.ndarray
        Shape (n_pixels, 6): indices of the neighbours; missing ones hold ``n_pixels``.
    table : numpy.ndarray
        Square table of pixel indices, ``n_pixels`` where there is no pixel.
    step_m, half_m : float
        Cell size and half width of the table in m.
    focal_m : float
        Effective focal length in m.
    """

    geometry: Any
    neighbours: NDArray[np.int64]
    table: NDArray[np.int64]
    step_m: float
    half_m: float
    focal_m: float

    @property
    def n_pixels(self) -> int:
        """Return the number of pixels; also the index that stands for 'no pixel'."""
        return len(self.neighbours)

    def pixels(self, lat_rad: NDArray[np.float64], lon_rad: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the pixel of each direction.

        Parameters
        ----------
        lat_rad, lon_rad : numpy.ndarray
            Offsets from the pointing along altitude and azimuth, in rad; the cameras are equidistant.

        Returns
        -------
        numpy.ndarray
            Pixel indices, ``n_pixels`` for directions outside the camera.
        """
        size = len(self.table)
        i = ((self.focal_m * lat_rad + self.half_m) / self.step_m).astype(np.int64)
        j = ((self.focal_m * lon_rad + self.half_m) / self.step_m).astype(np.int64)
        outside = (i < 0) | (j < 0) | (i >= size) | (j >= size)
        pixels = self.table[np.clip(i, 0, size - 1), np.clip(j, 0, size - 1)]
        pixels[outside] = self.n_pixels
        return pixels


@cache
def lst_subarray() -> Any:
    """Return the subarray description that LST-1 DL1 files carry."""
    from ctapipe_io_lst import LSTEventSource
    from ctapipe_io_magic.constants import REFERENCE_LOCATION

    return LSTEventSource.create_subarray(tel_id=LST, reference_location=REFERENCE_LOCATION)


@cache
def joint_subarray() -> Any:
    """Return the three-telescope subarray that Monte Carlo DL1 files carry, with telescope numbers 1, 2, 3."""
    import astropy.units as u
    from ctapipe.instrument import SubarrayDescription
    from ctapipe_io_magic.constants import REFERENCE_LOCATION

    telescopes = {LST: lst_subarray().tel[LST], M1: _magic_description("MAGIC-I"), M2: _magic_description("MAGIC-II")}
    positions = {tel: POSITIONS_M[i] * u.m for i, tel in enumerate(TEL_IDS)}
    return SubarrayDescription("MAGIC-LST-Array", positions, telescopes, REFERENCE_LOCATION)


@cache
def camera(tel_id: int) -> Camera:
    """Return the camera of a telescope number (1, 2 or 3)."""
    geometry = joint_subarray().tel[tel_id].camera.geometry
    x, y = geometry.pix_x.to_value("m"), geometry.pix_y.to_value("m")
    pitch = float(np.sqrt(geometry.pix_area[0].to_value("m2") * 2 / np.sqrt(3)))
    step = pitch / 20
    half = float(max(np.abs(x).max(), np.abs(y).max())) + pitch
    table = _pixel_table(x, y, pitch, step, half)
    n = len(x)
    neighbours = np.full((n, 6), n, dtype=np.int64)
    for pixel in range(n):
        nearest = np.flatnonzero(geometry.neighbor_matrix[pixel])
        neighbours[pixel, : len(nearest)] = nearest[:6]
    return Camera(geometry, neighbours, table, step, half, FOCAL_M[tel_id])


@cache
def parameter_camera(tel_id: int) -> ParameterCamera:
    """Return the camera of a telescope number as the kernels that parametrise images want it.

    LST-1's has no groups of neighbours: only MAGIC's cleaning asks for them.
    """
    if tel_id != LST:
        return magic_camera()
    own = camera(tel_id)
    nothing = Groups(np.zeros((0, 2), dtype=np.int16), np.zeros(own.n_pixels + 1, dtype=np.int64))
    return ParameterCamera(
        x_m=own.geometry.pix_x.to_value("m"),
        y_m=own.geometry.pix_y.to_value("m"),
        area_m2=own.geometry.pix_area.to_value("m2"),
        width_m=own.geometry.pixel_width.to_value("m"),
        neighbours=np.where(own.neighbours == own.n_pixels, -1, own.neighbours).astype(np.int16),
        border_1=own.geometry.get_border_pixel_mask(1),
        border_2=own.geometry.get_border_pixel_mask(2),
        pairs=nothing,
        triples=nothing,
        quadruples=nothing,
    )


def _pixel_table(
    x: NDArray[np.float64], y: NDArray[np.float64], pitch: float, step: float, half: float
) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    cells = (np.arange(int(2 * half / step)) + 0.5) * step - half
    points = np.stack(np.meshgrid(cells, cells, indexing="ij"), axis=-1).reshape(-1, 2)
    # Half the largest distance inside a hexagon: beyond the corner there is no pixel (missing pixels are given as n).
    _, nearest = cKDTree(np.column_stack([x, y])).query(points, distance_upper_bound=pitch / np.sqrt(3))
    return np.asarray(nearest, dtype=np.int64).reshape(len(cells), len(cells))


@cache
def _magic_description(name: str) -> Any:
    import astropy.units as u
    from ctapipe.coordinates import CameraFrame
    from ctapipe.instrument import (
        CameraDescription,
        CameraReadout,
        OpticsDescription,
        ReflectorShape,
        SizeType,
        TelescopeDescription,
    )
    from ctapipe_io_magic import load_camera_geometry

    optics = OpticsDescription(
        name="MAGIC",
        size_type=SizeType.LST,
        n_mirrors=1,
        n_mirror_tiles=964,
        reflector_shape=ReflectorShape.PARABOLIC,
        equivalent_focal_length=16.97 * u.m,
        effective_focal_length=FOCAL_M[M1] * u.m,
        mirror_area=239.0 * u.m**2,
    )
    geometry = load_camera_geometry()
    geometry.frame = CameraFrame(focal_length=optics.effective_focal_length)
    readout = CameraReadout(
        name="MAGICCam",
        sampling_rate=1.64 * u.GHz,
        reference_pulse_shape=np.array([[0.0, 1.0, 2.0, 1.0, 0.0], [1.0, 2.0, 3.0, 2.0, 1.0]]),
        reference_pulse_sample_width=0.5 * u.ns,
        n_channels=2,
        n_pixels=geometry.n_pixels,
        n_samples=50,
    )
    return TelescopeDescription(name, optics, CameraDescription("MAGICCam", geometry, readout))
