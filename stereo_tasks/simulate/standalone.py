"""What LST-1 alone and MAGIC alone reconstruct of a shower: the truth, smeared the less the more energy it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = dict[str, NDArray[Any]]
"""Shape (n,) each, as of `subruns.true_values`."""

SIGMA_OF_68_PERCENT = 1.515
"""A two-dimensional Gaussian holds 68.27 % within so many standard deviations of one axis."""


@dataclass(frozen=True)
class Resolution:
    """Resolution of one observatory: floor and slope, added in quadrature, the slope with (E / TeV)^-0.5.

    The numbers are rounded from the published performances: Abe et al. 2023 (ApJ 956, 80) of LST-1, Aleksic et al. 2016
    (Astropart. Phys. 72, 76) of MAGIC. Hadrons look like gammas of less energy, and are reconstructed worse.

    Parameters
    ----------
    energy_floor, energy_slope : float
        Standard deviation of ln E.
    direction_floor_deg, direction_slope_deg : float
        Radius in deg that holds 68 % of the gammas.
    core_m : float
        Standard deviation of the impact distance in m.
    """

    energy_floor: float
    energy_slope: float
    direction_floor_deg: float
    direction_slope_deg: float
    core_m: float = 15.0
    hadron_energy: float = 0.4
    hadron_factor: float = 2.0


LST_ALONE = Resolution(0.17, 0.11, 0.10, 0.09)
MAGIC_ALONE = Resolution(0.15, 0.06, 0.05, 0.047)


class Reconstructed(NamedTuple):
    """What comes out: shape (n,) each."""

    energy_tev: Floats
    lat_rad: Floats
    lon_rad: Floats
    gammaness: Floats


def reconstruct(truth: Truth, resolution: Resolution, rng: np.random.Generator) -> Reconstructed:
    """Return what an observatory reconstructs of n showers.

    Parameters
    ----------
    truth : dict of str to numpy.ndarray
        What they really are.
    resolution : Resolution
        Of the observatory.
    rng : numpy.random.Generator
        Source of all fluctuations.
    """
    gamma = truth["true_gamma"] == 1
    n, root = len(gamma), np.sqrt(truth["true_energy"])
    worse = np.where(gamma, 1.0, resolution.hadron_factor)
    spread = worse * np.hypot(resolution.energy_floor, resolution.energy_slope / root)
    energy = truth["true_energy"] * np.where(gamma, 1.0, resolution.hadron_energy) * np.exp(rng.normal(size=n) * spread)
    radius_deg = worse * np.hypot(resolution.direction_floor_deg, resolution.direction_slope_deg / root)
    sigma = np.deg2rad(radius_deg) / SIGMA_OF_68_PERCENT
    lat, lon = (truth[name] + rng.normal(size=n) * sigma for name in ("true_lat", "true_lon"))
    gammaness = np.where(gamma, rng.beta(6.0, 1.5, n), rng.beta(1.5, 4.0, n))
    return Reconstructed(energy, lat, lon, gammaness)


def altaz_rad(alt_rad: Floats, az_rad: Floats, lat_rad: Floats, lon_rad: Floats) -> tuple[Floats, Floats]:
    """Return altitude and azimuth (0 to 2 pi) in rad of offsets from pointings that move.

    Parameters
    ----------
    alt_rad, az_rad : numpy.ndarray
        Shape (n,): pointings, in rad.
    lat_rad, lon_rad : numpy.ndarray
        Shape (n,): offsets along altitude and azimuth, in rad.
    """
    front, up, side = np.cos(lat_rad) * np.cos(lon_rad), np.sin(lat_rad), np.cos(lat_rad) * np.sin(lon_rad)
    height = front * np.sin(alt_rad) + up * np.cos(alt_rad)
    away = front * np.cos(alt_rad) - up * np.sin(alt_rad)
    return np.arcsin(height), (az_rad + np.arctan2(side, away)) % (2 * np.pi)
