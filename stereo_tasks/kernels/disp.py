"""Arrival directions by the DISP method, as magic-cta-pipe has them with ctapipe's and astropy's frames.

Each step rounds where those round: angles come in the units in which astropy holds them, and are wrapped as often.
"""

from __future__ import annotations

import itertools

import erfa
import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.errors import NotCovered

Floats = npt.NDArray[np.float64]

RAD_PER_DEG = 0.017453292519943295
DEG_PER_RAD = 57.29577951308232
_CIRCLE_RAD = 360.0 * RAD_PER_DEG
_HALF_CIRCLE_RAD = 180.0 * RAD_PER_DEG


def wrapped(angle: Floats, below: float, circle: float) -> Floats:
    """Return angles in [below - circle, below), as astropy's ``Angle.wrap_at`` does."""
    floor = below - circle
    if not ((angle < floor) | (angle >= below)).any():
        return angle
    with np.errstate(invalid="ignore"):
        angle = angle - (angle - floor) // circle * circle
    angle[angle >= below] -= circle
    angle[angle < floor] += circle
    return angle


def candidates(
    x_m: Floats,
    y_m: Floats,
    psi_deg: Floats,
    disp_deg: Floats,
    pointing_alt_rad: Floats,
    pointing_az_rad: Floats,
    focal_length_m: Floats,
) -> tuple[Floats, Floats]:
    """Return the two directions at the distance DISP from each image's centre of gravity, along its main axis.

    Parameters
    ----------
    x_m, y_m, psi_deg, disp_deg : array of float64, shape (n_images,)
        Centre of gravity and main axis in the camera, and the estimated distance of the source from it.
    pointing_alt_rad, pointing_az_rad : array of float64, shape (n_images,)
        Where the telescope points.
    focal_length_m : array of float64, shape (n_images,)
        The telescope's effective focal length.

    Returns
    -------
    alt_deg, az_deg : array of float64, shape (2, n_images)
        First those along the axis, then those against it.

    Raises
    ------
    NotCovered
        If a pointing or an image is beyond the zenith or a quarter of the sky away from the camera's centre.
    """
    lat = x_m / focal_length_m
    # astropy wraps longitudes to [0, 360) deg first, and ctapipe's frame to +-180 deg: negative ones lose bits.
    lon = wrapped(wrapped(y_m / focal_length_m, _CIRCLE_RAD, _CIRCLE_RAD), _HALF_CIRCLE_RAD, _CIRCLE_RAD)
    if (np.abs(pointing_alt_rad) > np.pi / 2).any() or (np.abs(lat) > 1.5).any():
        raise NotCovered("an altitude beyond the zenith, or an image far outside of the camera")
    to_sky = _rotations(pointing_alt_rad, wrapped(pointing_az_rad, _CIRCLE_RAD, _CIRCLE_RAD))
    alt_deg, az_deg = np.empty((2, len(x_m))), np.empty((2, len(x_m)))
    for flip in (0, 1):
        offset_lon_deg, offset_lat_deg = _offset_by(lon, lat, psi_deg + 180 * flip, disp_deg)
        vectors = erfa.ufunc.s2c(offset_lon_deg * RAD_PER_DEG, offset_lat_deg * RAD_PER_DEG)
        az, alt = erfa.ufunc.c2s(erfa.ufunc.rxp(to_sky, vectors))
        az_deg[flip] = wrapped(az, _CIRCLE_RAD, _CIRCLE_RAD) * DEG_PER_RAD
        alt_deg[flip] = alt * DEG_PER_RAD
    return alt_deg, az_deg


def _rotations(alt_rad: Floats, az_rad: Floats) -> Floats:
    """Return matrices of shape (n, 3, 3) that rotate from the frame of a telescope to the sky."""
    tilts, turns = np.zeros((len(alt_rad), 3, 3)), np.zeros((len(alt_rad), 3, 3))
    sin, cos = np.sin(-alt_rad), np.cos(-alt_rad)
    tilts[:, 1, 1] = 1.0
    tilts[:, 2, 2], tilts[:, 2, 0], tilts[:, 0, 2], tilts[:, 0, 0] = cos, sin, -sin, cos
    sin, cos = np.sin(az_rad), np.cos(az_rad)
    turns[:, 2, 2] = 1.0
    turns[:, 0, 0], turns[:, 0, 1], turns[:, 1, 0], turns[:, 1, 1] = cos, sin, -sin, cos
    rotations: Floats = (tilts @ turns).swapaxes(-2, -1)
    return rotations


def _offset_by(lon_rad: Floats, lat_rad: Floats, angle_deg: Floats, distance_deg: Floats) -> tuple[Floats, Floats]:
    """Return longitude and latitude in deg at a distance and position angle, as ``astropy.coordinates.offset_by``."""
    cos_a, sin_a = np.cos(distance_deg * RAD_PER_DEG), np.sin(distance_deg * RAD_PER_DEG)
    cos_c, sin_c = np.sin(lat_rad), np.cos(lat_rad)
    cos_b_angle, sin_b_angle = np.cos(angle_deg * RAD_PER_DEG), np.sin(angle_deg * RAD_PER_DEG)
    cos_b = cos_c * cos_a + sin_c * sin_a * cos_b_angle
    turn = np.arctan2(sin_a * sin_b_angle * sin_c, cos_a - cos_b * cos_c)
    lon_deg = wrapped(lon_rad + turn, _CIRCLE_RAD, _CIRCLE_RAD) * DEG_PER_RAD
    return wrapped(lon_deg, 180.0, 360.0), np.arcsin(cos_b) * DEG_PER_RAD


def separation_deg(lon1_deg: Floats, lat1_deg: Floats, lon2_deg: Floats, lat2_deg: Floats) -> Floats:
    """Return the angle between directions by Vincenty's formula, as ``astropy.coordinates.angular_separation``."""
    difference = (lon2_deg - lon1_deg) * RAD_PER_DEG
    sin_lon, cos_lon = np.sin(difference), np.cos(difference)
    sin_1, sin_2 = np.sin(lat1_deg * RAD_PER_DEG), np.sin(lat2_deg * RAD_PER_DEG)
    cos_1, cos_2 = np.cos(lat1_deg * RAD_PER_DEG), np.cos(lat2_deg * RAD_PER_DEG)
    across = np.hypot(cos_2 * sin_lon, cos_1 * sin_2 - sin_1 * cos_2 * cos_lon)
    separation: Floats = np.arctan2(across, sin_1 * sin_2 + cos_1 * cos_2 * cos_lon) * DEG_PER_RAD
    return separation


def closest(alt_deg: Floats, az_deg: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return which candidates of an event's images lie closest together.

    Parameters
    ----------
    alt_deg, az_deg : array of float64, shape (2, n_telescopes, n_events)
        The two candidates of each image.

    Returns
    -------
    flips : array of int64, shape (n_telescopes, n_events)
        Which of the two, for each image.
    distance_deg : array of float64, shape (n_events,)
        Sum of the angles between them, over all pairs of telescopes; not a number if that of an image is none.
    """
    _, n_telescopes, n_events = alt_deg.shape
    pairs = list(itertools.combinations(range(n_telescopes), 2))
    angles = {
        (one, other, flip, other_flip): separation_deg(
            az_deg[flip, one], alt_deg[flip, one], az_deg[other_flip, other], alt_deg[other_flip, other]
        )
        for one, other in pairs
        for flip in (0, 1)
        for other_flip in (0, 1)
    }
    combinations = np.array(list(itertools.product([0, 1], repeat=n_telescopes)))
    distances = np.zeros((len(combinations), n_events))
    for combination, distance in zip(combinations.tolist(), distances, strict=True):
        for one, other in pairs:
            distance += angles[one, other, combination[one], combination[other]]
    return combinations[distances.argmin(axis=0)].T, distances.min(axis=0)
