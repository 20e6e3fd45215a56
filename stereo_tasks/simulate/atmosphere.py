"""An exponential atmosphere above La Palma: from depth along a slanted shower axis to height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SITE_ALTITUDE_M = 2199.0
SCALE_HEIGHT_M = 8200.0
GROUND_DEPTH_G_CM2 = 1030.0
"""Vertical depth at sea level of an isothermal atmosphere."""

LOWEST_EMISSION_M = 50.0


def height_m(slant_depth_g_cm2: NDArray[np.float64], cos_zenith: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the height above the telescopes at a depth along a slanted axis.

    Parameters
    ----------
    slant_depth_g_cm2 : numpy.ndarray
        Depth traversed along the axis, in g/cm2.
    cos_zenith : numpy.ndarray
        Cosine of the zenith angle of the axis.

    Returns
    -------
    numpy.ndarray
        Height above the site in m, not below 50 m: deeper light never gets out of the shower in this model.

    Notes
    -----
    h = H ln(X0 / (X cos z)) - h_site, the inverse of the barometric formula in a flat atmosphere (good to 60 deg).
    """
    vertical = np.maximum(slant_depth_g_cm2, 5.0) * cos_zenith
    return np.maximum(SCALE_HEIGHT_M * np.log(GROUND_DEPTH_G_CM2 / vertical) - SITE_ALTITUDE_M, LOWEST_EMISSION_M)
