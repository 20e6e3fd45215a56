"""The geometry of showers from the axes of their images: ctapipe's ``HillasReconstructor`` for many showers at once.

Every step is the one of ctapipe 0.25.1, in its order, so that the results are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.directions import (
    ground_matrix,
    in_frame,
    longitude,
    longitude_in_frame,
    pointing_matrix,
    rotated,
    signed,
)
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.quantities import DEG_TO_RAD, RAD_TO_DEG
from stereo_tasks.kernels.vectors import Array, directions, unit_vectors_with_length

RESULTS = ("alt", "alt_uncert", "az", "az_uncert", "core_x", "core_y", "impact", "h_max", "is_valid")


@dataclass(frozen=True)
class Site:
    """What the geometry needs to know of the telescopes, by their index.

    Parameters
    ----------
    position_m : numpy.ndarray
        Shape (n_telescopes, 3): north, west, up.
    focal_length_m, camera_radius_m : numpy.ndarray
        Shape (n_telescopes,).
    height_m : float
        Of the place that the positions refer to, above the ellipsoid.
    """

    position_m: Array
    focal_length_m: Array
    camera_radius_m: Array
    height_m: float


@dataclass(frozen=True)
class Images:
    """The images of n showers, each seen by k telescopes.

    Parameters
    ----------
    telescope : numpy.ndarray
        Shape (n, k): index of the telescope.
    x_m, y_m, psi_deg, intensity, length_m, width_m : numpy.ndarray
        Shape (n, k): centre of gravity, angle of the axis, p.e., and the axes of the ellipse, in the camera.
    alt_rad, az_rad : numpy.ndarray
        Shape (n, k): pointing of the telescope.
    array_alt_rad, array_az_rad : numpy.ndarray
        Shape (n,): mean pointing of all telescopes that saw the shower.
    """

    telescope: NDArray[np.int64]
    x_m: Array
    y_m: Array
    psi_deg: Array
    intensity: Array
    length_m: Array
    width_m: Array
    alt_rad: Array
    az_rad: Array
    array_alt_rad: Array
    array_az_rad: Array


@dataclass(frozen=True)
class Showers:
    """The geometry of n showers; NaN where a matrix could not be inverted, which ``valid`` tells.

    Parameters
    ----------
    alt_rad, az_rad : numpy.ndarray
        Shape (n,): direction that they come from.
    error_deg : numpy.ndarray
        Shape (n,): mean angle between it and the crossings of pairs of image planes.
    core_x_m, core_y_m : numpy.ndarray
        Shape (n,): where the axis hits the ground, north and west.
    h_max_m : numpy.ndarray
        Shape (n,): height of the shower's maximum.
    valid : numpy.ndarray
        Shape (n,), bool.
    """

    alt_rad: Array
    az_rad: Array
    error_deg: Array
    core_x_m: Array
    core_y_m: Array
    h_max_m: Array
    valid: NDArray[np.bool_]


@np.errstate(divide="ignore", invalid="ignore")
def reconstruct(images: Images, site: Site) -> Showers:
    """Return the geometry of showers that were all seen by the same number of telescopes.

    Raises
    ------
    NotCovered
        If ctapipe would stop at one of them.
    """
    position_m = site.position_m[images.telescope]
    cog_vector, normal, psi_rad = _image_planes(images, site)
    weight = images.intensity * images.length_m / images.width_m
    direction, error_deg = _direction(normal, weight)
    lon, lat = directions(direction)
    core_x_m, core_y_m, core_valid = _core(images, psi_rad, position_m)
    maximum_m, maximum_valid = _intersection(cog_vector, position_m)
    return Showers(
        alt_rad=lat,
        az_rad=_each(longitude, -_each(longitude, lon)),
        error_deg=error_deg,
        core_x_m=core_x_m,
        core_y_m=core_y_m,
        h_max_m=maximum_m[:, 2] + site.height_m,
        valid=core_valid & maximum_valid,
    )


def _each(function: Callable[[Array], Array], angle_rad: Array) -> Array:
    """Return a function of angles that were one array each in astropy; shape (n,)."""
    return function(angle_rad[:, np.newaxis])[:, 0]


def impact_m(showers: Showers, position_m: Array) -> Array:
    """Return the distance of a telescope from each shower's axis.

    Parameters
    ----------
    showers : Showers
        n of them.
    position_m : numpy.ndarray
        Shape (n, 3): where the telescope stands.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    core_m = np.stack([showers.core_x_m, showers.core_y_m, np.zeros(len(position_m))], axis=-1)
    axis = unit_vectors_with_length(-showers.az_rad, showers.alt_rad)
    across = np.linalg.norm(np.cross(position_m - core_m, axis), axis=1)
    # numpy takes the norm of one vector from its dot product, which rounds otherwise than a sum along an axis.
    return np.asarray(across / np.sqrt(np.array([vector.dot(vector) for vector in axis])))


def _image_planes(images: Images, site: Site) -> tuple[Array, Array, Array]:
    """Return unit vectors to the centres of gravity, normals of the planes of axis and telescope, and corrected psi.

    The corrected psi is that of the axis in a camera that points where the array points on average.
    """
    focal_length_m = site.focal_length_m[images.telescope]
    psi_rad = images.psi_deg * DEG_TO_RAD
    step_m = 0.1 * site.camera_radius_m[images.telescope]
    _check_latitude(images.alt_rad, "a telescope that points beyond the zenith")
    to_horizon = np.swapaxes(pointing_matrix(images.alt_rad, longitude(images.az_rad)), -2, -1)
    to_array = pointing_matrix(images.array_alt_rad, _each(longitude, images.array_az_rad))[:, np.newaxis]
    vectors, x_m, y_m = [], [], []
    for x, y in (
        (images.x_m, images.y_m),
        (images.x_m + step_m * np.cos(psi_rad), images.y_m + step_m * np.sin(psi_rad)),
    ):
        vector, lon, lat = _sky(x / focal_length_m, y / focal_length_m, to_horizon)
        vectors.append(vector)
        fov_lon, fov_lat = rotated(to_array, lon, lat)
        x_m.append(in_frame(fov_lat) * focal_length_m)
        y_m.append(in_frame(signed(fov_lon)) * focal_length_m)
    return vectors[0], np.cross(vectors[0], vectors[1]), np.arctan((y_m[0] - y_m[1]) / (x_m[0] - x_m[1]))


def _sky(fov_lat: Array, fov_lon: Array, to_horizon: Array) -> tuple[Array, Array, Array]:
    """Return where points of a camera look to: a right-handed unit vector, and azimuth and altitude in rad."""
    _check_latitude(fov_lat, "an image more than a right angle from the pointing")
    lon, lat = rotated(to_horizon, signed(longitude(fov_lon)), fov_lat)
    vector = unit_vectors_with_length(-longitude_in_frame(lon), in_frame(lat))
    return vector, lon, lat


def _check_latitude(angle_rad: Array, what: str) -> None:
    """Refuse what astropy takes for no latitude."""
    if bool(np.any(np.abs(angle_rad) > 90 * DEG_TO_RAD)):
        raise NotCovered(what)


def _direction(normal: Array, weight: Array) -> tuple[Array, Array]:
    """Return the weighted mean of the crossings of image planes, shape (n, 3), and the mean angle to them in deg."""
    first, second = np.array(list(combinations(range(normal.shape[1]), 2))).T
    crossings = np.cross(normal[:, first], normal[:, second])
    crossings = np.where((crossings[..., 2] < 0)[..., np.newaxis], -crossings, crossings)
    weights = (weight[:, first] * weight[:, second])[..., np.newaxis]
    total = weights.sum(axis=1)
    if bool((total == 0).any()):
        raise NotCovered("a shower whose images have no weight")
    mean = (crossings * weights).sum(axis=1) / total
    mean = mean / np.linalg.norm(mean, axis=-1)[:, np.newaxis]
    norm = np.linalg.norm(mean, axis=-1)[:, np.newaxis] * np.linalg.norm(crossings, axis=-1)
    cosine = np.sum(mean[:, np.newaxis] * crossings, axis=-1) / norm
    angle_rad = np.arccos(np.clip(cosine, -1.0, 1.0))
    return mean, np.rad2deg(np.mean(angle_rad, axis=-1))


def _core(images: Images, psi_rad: Array, position_m: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return where the axes of the images meet on the ground, north and west in m, and where they do."""
    alt_rad = in_frame(images.array_alt_rad)
    az_rad = _each(longitude_in_frame, _each(longitude, images.array_az_rad))
    matrix = ground_matrix(alt_rad, az_rad)
    x, y, z = (position_m[..., i] for i in range(3))
    tilted_m = np.stack([_row(matrix[i], x, y, z, extend=True) for i in range(3)], axis=-1)
    axes = np.stack([np.cos(psi_rad), np.sin(psi_rad), np.zeros_like(psi_rad)], axis=-1)
    point, valid = _intersection(axes, tilted_m)
    zero = np.zeros(len(point))
    inverse = [[matrix[j][i] for j in range(3)] for i in range(3)]
    ground = [_row(row, point[:, 0], point[:, 1], zero) for row in inverse]
    core_x_m = ground[0] - matrix[2][0] * ground[2] / matrix[2][2]
    core_y_m = ground[1] - matrix[2][1] * ground[2] / matrix[2][2]
    return core_x_m, core_y_m, valid


def _row(row: list[Any], x: Array, y: Array, z: Array, *, extend: bool = False) -> Array:
    """Return one component of a matrix times vectors."""
    first, second, third = (value[:, np.newaxis] for value in row) if extend else row
    return np.asarray(first * x + second * y + third * z)


def _intersection(axes: Array, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return where lines meet, in the sense of least squares.

    Parameters
    ----------
    axes, points : numpy.ndarray
        Shape (n, k, 3): unit vectors along k lines, and a point on each.

    Returns
    -------
    meeting : numpy.ndarray
        Shape (n, 3).
    valid : numpy.ndarray
        Shape (n,), bool: False where the lines are parallel, so that the matrix cannot be inverted.
    """
    across = axes[..., :, np.newaxis] @ axes[..., np.newaxis, :] - np.eye(3)
    right = (across @ points[..., np.newaxis])[..., 0].sum(axis=1)
    left = across.sum(axis=1)
    valid = np.ones(len(left), dtype=bool)
    try:
        inverse = np.linalg.inv(left)
    except np.linalg.LinAlgError:
        # One matrix that cannot be inverted stops them all.
        inverse = np.full_like(left, np.nan)
        for i, matrix in enumerate(left):
            try:
                inverse[i] = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:
                valid[i] = False
    return (inverse @ right[..., np.newaxis])[..., 0], valid


def degrees(angle_rad: Array) -> Array:
    """Return angles in deg, as astropy converts them."""
    return np.asarray(angle_rad * RAD_TO_DEG)
