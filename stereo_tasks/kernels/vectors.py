"""Vectors and angles on the sphere, by ERFA: the functions that astropy calls, so that they round alike."""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WGS84 = 1


def unit_vectors(lon_rad: Array, lat_rad: Array) -> Array:
    """Return the vectors of length 1 to directions of shape (...); shape (..., 3)."""
    return np.asarray(erfa.ufunc.s2c(lon_rad, lat_rad))


def unit_vectors_with_length(lon_rad: Array, lat_rad: Array) -> Array:
    """Return the same, but multiplied by a length of 1, as ctapipe has it; shape (..., 3)."""
    return np.asarray(erfa.ufunc.s2p(lon_rad, lat_rad, 1.0))


def directions_of_units(vectors: Array) -> tuple[Array, Array]:
    """Return longitudes (-pi to pi) and latitudes in rad of vectors of length 1 and shape (..., 3)."""
    lon, lat = erfa.ufunc.c2s(vectors)
    return np.asarray(lon), np.asarray(lat)


def directions(vectors: Array) -> tuple[Array, Array]:
    """Return longitudes (-pi to pi) and latitudes in rad of vectors of any length and shape (..., 3)."""
    lon, lat, _ = erfa.ufunc.p2s(vectors)
    return np.asarray(lon), np.asarray(lat)


def product(matrix: Array, vectors: Array) -> Array:
    """Return matrices of shape (..., 3, 3) times vectors of shape (..., 3)."""
    return np.asarray(erfa.ufunc.rxp(matrix, vectors))


def height_m(itrs_m: Array) -> float:
    """Return the height above the ellipsoid (WGS84) of a geocentric place of shape (3,)."""
    _, _, height = erfa.gc2gd(_WGS84, itrs_m)
    return float(height)
