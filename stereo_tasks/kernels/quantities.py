"""Numbers with units in magic-cta-pipe's configuration, with the factors that astropy multiplies by."""

from __future__ import annotations

import re

from stereo_tasks.kernels.errors import NotCovered

NS_TO_S = 1e-09
NS_TO_US = 0.001
US_TO_NS = 999.9999999999999
"""Not 1000: astropy divides 1e-6 by 1e-9."""
DEG_TO_RAD = 0.017453292519943295
RAD_TO_DEG = 57.29577951308232
ARCMIN_TO_DEG = 0.016666666666666666

_NUMBER = re.compile(r"\s*([0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)\s*([a-z]+)\s*")


def quantity(text: object, factors: dict[str, float], name: str) -> float:
    """Return the value of a number with a unit, in the unit whose factor is 1.

    Parameters
    ----------
    text : str
        Such as ``300 ns``.
    factors : dict of str to float
        What each known unit is multiplied by.
    name : str
        Of the setting, for the text.

    Raises
    ------
    NotCovered
        If the unit is another one.
    """
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in factors:
        raise NotCovered(f"{name}: {text}")
    factor = factors[match[2]]
    return float(match[1]) if factor == 1 else float(match[1]) * factor
