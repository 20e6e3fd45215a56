"""Unix times in whole nanoseconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered

_FRACTION_BITS = 22
"""A float64 keeps times between 2**30 and 2**31 s (2004 to 2038) in steps of 2**-22 s."""

_DIGITS = 7
"""So many decimals always tell two neighbours apart."""


def nanoseconds(time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the shortest decimals that stand for float64 times, in ns: ``int(Decimal(str(time)) * 10**9)``.

    Parameters
    ----------
    time_s : numpy.ndarray
        Shape (n,): unix times in s.

    Returns
    -------
    numpy.ndarray
        Shape (n,), int64: unix times in ns.

    Raises
    ------
    NotCovered
        If a time is outside of 2004 to 2038, or none.
    """
    if not bool(np.all((time_s >= 2.0**30) & (time_s < 2.0**31))):
        raise NotCovered("LST-1 time stamps outside of 2004 to 2038, or none")
    seconds = time_s.astype(np.int64)
    fraction = ((time_s - seconds) * 2.0**_FRACTION_BITS).astype(np.int64)
    result = np.zeros(len(time_s), dtype=np.int64)
    left = np.arange(len(time_s))
    half = 1 << (_FRACTION_BITS - 1)
    for digits in range(_DIGITS + 1):
        scaled = fraction[left] * 10**digits
        decimal, rest = scaled >> _FRACTION_BITS, scaled & ((1 << _FRACTION_BITS) - 1)
        decimal += (rest > half) | ((rest == half) & (decimal & 1 == 1))
        found = 2 * np.abs((decimal << _FRACTION_BITS) - scaled) < 10**digits
        result[left[found]] = decimal[found] * 10 ** (9 - digits)
        left = left[~found]
    return seconds * 1_000_000_000 + result
