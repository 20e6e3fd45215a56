"""Directions and rotations, with the roundings that astropy's frames make on the way.

A coordinate of an astropy frame comes in degrees whatever it was made of, so that reading it in rad rounds twice; an
angle is wrapped by adding or subtracting a full turn, so that small negative ones lose bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.quantities import DEG_TO_RAD, RAD_TO_DEG
from stereo_tasks.kernels.vectors import Array, directions, directions_of_units, product, unit_vectors

TURN_RAD = 6.283185307179586


def wrapped(angle: Array, limit: float, turn: float) -> Array:
    """Return angles between ``limit - turn`` and ``limit``: ``Angle.wrap_at`` of astropy.

    Parameters
    ----------
    angle : numpy.ndarray
        Shape (..., n), in any unit. n of them were one array in astropy, which leaves it as it is if all are within
        the range, and otherwise computes all of them anew: -0 becomes 0.
    limit, turn : float
        The end of the range, and a full turn, in the same unit.
    """
    floor = limit - turn
    anew = ((angle < floor) | (angle >= limit)).any(axis=-1, keepdims=True)
    if not anew.any():
        return angle
    moved = angle - (angle - floor) // turn * turn
    moved[moved >= limit] -= turn
    moved[moved < floor] += turn
    return np.where(anew, moved, angle)


def longitude(angle_rad: Array) -> Array:
    """Return angles from 0 to a full turn, in rad; shape (..., n) as in :func:`wrapped`."""
    return wrapped(angle_rad, TURN_RAD, TURN_RAD)


def signed(longitude_rad: Array) -> Array:
    """Return longitudes from minus to plus half a turn, in rad: ``fov_lon`` of ctapipe's TelescopeFrame."""
    return wrapped(longitude_rad, 180 * DEG_TO_RAD, TURN_RAD)


def in_frame(angle_rad: Array) -> Array:
    """Return an angle in rad that a frame gave in deg."""
    return np.asarray(angle_rad * RAD_TO_DEG * DEG_TO_RAD)


def longitude_in_frame(angle_rad: Array) -> Array:
    """Return a longitude in rad that a frame gave in deg, below 360 deg."""
    return np.asarray(wrapped(angle_rad * RAD_TO_DEG, 360.0, 360.0) * DEG_TO_RAD)


def pointing_matrix(alt_rad: Array, az_rad: Array) -> Array:
    """Return the rotation from the horizon to a telescope's pointing: about y by -alt after about z by az.

    Parameters
    ----------
    alt_rad, az_rad : numpy.ndarray
        Shape (...).

    Returns
    -------
    numpy.ndarray
        Shape (..., 3, 3).
    """
    sin_alt, cos_alt = np.sin(-alt_rad), np.cos(-alt_rad)
    about_y = np.zeros((*alt_rad.shape, 3, 3))
    about_y[..., 1, 1] = 1.0
    about_y[..., 2, 2] = about_y[..., 0, 0] = cos_alt
    about_y[..., 2, 0] = sin_alt
    about_y[..., 0, 2] = -sin_alt
    sin_az, cos_az = np.sin(az_rad), np.cos(az_rad)
    about_z = np.zeros((*az_rad.shape, 3, 3))
    about_z[..., 2, 2] = 1.0
    about_z[..., 0, 0] = about_z[..., 1, 1] = cos_az
    about_z[..., 0, 1] = sin_az
    about_z[..., 1, 0] = -sin_az
    return np.asarray(about_y @ about_z)


def rotated(matrix: Array, lon_rad: Array, lat_rad: Array) -> tuple[Array, Array]:
    """Return directions in a rotated frame.

    Parameters
    ----------
    matrix : numpy.ndarray
        Shape (..., 3, 3).
    lon_rad, lat_rad : numpy.ndarray
        Shape (...).

    Returns
    -------
    lon_rad, lat_rad : numpy.ndarray
        Shape (...), longitudes from 0 to a full turn.
    """
    lon, lat = directions_of_units(product(matrix, unit_vectors(lon_rad, lat_rad)))
    return longitude(lon), lat


def ground_matrix(alt_rad: Array, az_rad: Array) -> list[list[Any]]:
    """Return the rotation from the ground to the plane across a pointing; rows of columns of shape (...)."""
    cos_zenith, sin_zenith = np.sin(alt_rad), np.cos(alt_rad)
    cos_az, sin_az = np.cos(az_rad), np.sin(az_rad)
    return [
        [cos_zenith * cos_az, -cos_zenith * sin_az, -sin_zenith],
        [sin_az, cos_az, np.zeros_like(sin_zenith)],
        [sin_zenith * cos_az, -sin_zenith * sin_az, cos_zenith],
    ]


def kahan_mean(values: Array, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Array:
    """Return the means of groups of rows: ``groupby().mean()`` of pandas, which adds with Kahan's correction.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_rows,), float64; NaN are left out.
    starts, sizes : numpy.ndarray
        Shape (n_groups,): first row and number of rows of each group.
    """
    total, correction = np.zeros(len(starts)), np.zeros(len(starts))
    number = np.zeros(len(starts), dtype=np.int64)
    for i in range(int(sizes.max(initial=0))):
        group = np.flatnonzero(sizes > i)
        value = values[starts[group] + i]
        group, value = group[~np.isnan(value)], value[~np.isnan(value)]
        corrected = value - correction[group]
        new = total[group] + corrected
        correction[group] = new - total[group] - corrected
        total[group] = new
        number[group] += 1
    return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))


def mean_direction(
    lon_rad: Array, lat_rad: Array, starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Return the mean directions of groups of rows: ``calculate_mean_direction`` of magic-cta-pipe.

    Parameters
    ----------
    lon_rad, lat_rad : numpy.ndarray
        Shape (n_rows,).
    starts, sizes : numpy.ndarray
        Shape (n_groups,): first row and number of rows of each group.

    Returns
    -------
    lon_rad, lat_rad : numpy.ndarray
        Shape (n_groups,).
    """
    vectors = (np.cos(lat_rad) * np.cos(lon_rad), np.cos(lat_rad) * np.sin(lon_rad), np.sin(lat_rad))
    mean = np.stack([kahan_mean(axis, starts, sizes) for axis in vectors], axis=-1)
    lon, lat = directions(mean)
    return longitude_in_frame(longitude(lon[np.newaxis]))[0], in_frame(lat)


def separation(lon1_rad: Array, lat1_rad: Array, lon2_rad: Array, lat2_rad: Array) -> Array:
    """Return the angle between directions, in rad: Vincenty's formula as in astropy's ``angular_separation``."""
    sin_dlon, cos_dlon = np.sin(lon2_rad - lon1_rad), np.cos(lon2_rad - lon1_rad)
    sin_lat1, sin_lat2 = np.sin(lat1_rad), np.sin(lat2_rad)
    cos_lat1, cos_lat2 = np.cos(lat1_rad), np.cos(lat2_rad)
    num1 = cos_lat2 * sin_dlon
    num2 = cos_lat1 * sin_lat2 - sin_lat1 * cos_lat2 * cos_dlon
    denominator = sin_lat1 * sin_lat2 + cos_lat1 * cos_lat2 * cos_dlon
    return np.asarray(np.arctan2(np.hypot(num1, num2), denominator))
