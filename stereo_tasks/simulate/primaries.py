"""Primary particles: what arrives where, with the geometry between the sky, the camera and the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Pointing(NamedTuple):
    """Where all telescopes look: altitude and azimuth (north over east) in rad."""

    alt_rad: float
    az_rad: float


@dataclass(frozen=True)
class Primaries:
    """Primary particles of one kind, all under one pointing.

    Parameters
    ----------
    energy_tev : numpy.ndarray
        Shape (n,), in TeV.
    lat_rad, lon_rad : numpy.ndarray
        Shape (n,): offset of the arrival direction from the pointing, along altitude and azimuth, in rad.
    core_u_m, core_v_m : numpy.ndarray
        Shape (n,): where the axis cuts the plane through the array's centre perpendicular to it, along azimuth and
        altitude, in m. This plane is the one of the effective area.
    """

    energy_tev: Floats
    lat_rad: Floats
    lon_rad: Floats
    core_u_m: Floats
    core_v_m: Floats


def draw_energies(n: int, low_tev: float, high_tev: float, index: float, rng: np.random.Generator) -> Floats:
    """Return n energies in TeV from a power law E^index between two energies, by inverting its integral."""
    uniform = rng.random(n)
    if abs(index + 1) < 1e-9:
        return np.asarray(low_tev * (high_tev / low_tev) ** uniform)
    power = index + 1
    return np.asarray((low_tev**power + uniform * (high_tev**power - low_tev**power)) ** (1 / power))


def draw_cores(n: int, radius_m: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return n positions in m, uniform in a circle."""
    radius, angle = radius_m * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return radius * np.cos(angle), radius * np.sin(angle)


def draw_cone(n: int, radius_deg: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return n offsets (lat, lon) in rad, isotropic in a cone around the pointing."""
    cos_offset = 1 - rng.random(n) * (1 - np.cos(np.deg2rad(radius_deg)))
    return _offsets(np.arccos(cos_offset), rng.uniform(0, 2 * np.pi, n))


def draw_ring(n: int, radius_deg: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return n offsets (lat, lon) in rad, on a ring around the pointing."""
    return _offsets(np.full(n, np.deg2rad(radius_deg)), rng.uniform(0, 2 * np.pi, n))


def directions(pointing: Pointing, lat_rad: Floats, lon_rad: Floats) -> tuple[Floats, Floats]:
    """Return altitude and azimuth in rad of offsets (lat, lon) from a pointing."""
    north, west, up = axis_vectors(pointing, lat_rad, lon_rad).T
    return np.arcsin(up), np.arctan2(-west, north) % (2 * np.pi)


def camera_basis(pointing: Pointing) -> Floats:
    """Return the unit vectors (north, west, up) along the pointing, growing altitude and growing azimuth."""
    sin_alt, cos_alt = np.sin(pointing.alt_rad), np.cos(pointing.alt_rad)
    sin_az, cos_az = np.sin(pointing.az_rad), np.cos(pointing.az_rad)
    return np.array(
        [
            [cos_alt * cos_az, -cos_alt * sin_az, sin_alt],
            [-sin_alt * cos_az, sin_alt * sin_az, cos_alt],
            [-sin_az, -cos_az, 0.0],
        ]
    )


def axis_vectors(pointing: Pointing, lat_rad: Floats, lon_rad: Floats) -> Floats:
    """Return shape (n, 3): unit vectors (north, west, up) towards offsets from a pointing."""
    cos_lat = np.cos(lat_rad)
    local = np.stack([cos_lat * np.cos(lon_rad), np.sin(lat_rad), cos_lat * np.sin(lon_rad)], axis=-1)
    return np.asarray(local @ camera_basis(pointing))


def ground_cores(axis: Floats, u_m: Floats, v_m: Floats) -> Floats:
    """Return shape (n, 3): points on the ground whose distance to the centre, seen along the axis, is (u, v)."""
    horizontal = np.hypot(axis[:, 0], axis[:, 1])
    safe = np.maximum(horizontal, 1e-12)
    east = np.stack([axis[:, 1] / safe, -axis[:, 0] / safe, np.zeros(len(axis))], axis=-1)
    upward = np.cross(east, axis)
    point = u_m[:, None] * east + v_m[:, None] * upward
    return np.asarray(point - axis * (point[:, 2] / axis[:, 2])[:, None])


def _offsets(radius: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """Return (lat, lon) of points at an angular distance from the pole of the offset frame."""
    lat = np.arcsin(np.sin(radius) * np.cos(angle))
    return lat, np.arctan2(np.sin(radius) * np.sin(angle), np.cos(radius))
