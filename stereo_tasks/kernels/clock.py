"""MAGIC's event times as astropy has them, without astropy.

``ctapipe_io_magic`` adds day, milliseconds and nanoseconds as decimal numbers, and gives the sum to
``astropy.time.Time`` as a Unix time. The functions follow ``astropy.time`` 6.1 (BSD-3-Clause, the astropy developers)
in every rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MJD_OF_UNIX_EPOCH = 40_587
TICKS_A_S = 10_000_000
"""The reader rounds to 100 ns."""

_DAY_S = 86_400
_TICKS_A_MS = 10_000
_JD_OF_UNIX_EPOCH = 2_440_587.5
_JD_OF_MJD_0 = 2_400_000.5


class Times(NamedTuple):
    """Times of events.

    Parameters
    ----------
    ticks : numpy.ndarray
        Shape (n,), int64: Unix times in 100 ns.
    jd_1, jd_2 : numpy.ndarray
        Shape (n,), float64: the same as Julian date in two parts, as ``astropy.time.Time`` keeps it.
    """

    ticks: NDArray[np.int64]
    jd_1: Floats
    jd_2: Floats

    @property
    def seconds(self) -> NDArray[np.int64]:
        """Return the whole Unix seconds."""
        return self.ticks // TICKS_A_S

    @property
    def nanoseconds(self) -> NDArray[np.int64]:
        """Return the nanoseconds after the whole second."""
        return self.ticks % TICKS_A_S * 100

    @property
    def mjd(self) -> Floats:
        """Return the modified Julian dates (``Time.mjd``)."""
        return (self.jd_1 - _JD_OF_MJD_0) + self.jd_2

    @property
    def unix(self) -> Floats:
        """Return the Unix times in s (``Time.unix``), good to 0.2 us."""
        # The epoch's Julian date has the parts 2440588 and -0.5.
        whole = (self.jd_1 - (_JD_OF_UNIX_EPOCH + 0.5)) * _DAY_S
        return whole + (self.jd_2 + 0.5) * _DAY_S


def times(mjd: NDArray[Any], millisecond: NDArray[Any], nanosecond: NDArray[Any]) -> Times:
    """Return MARS's three-part times.

    Parameters
    ----------
    mjd, millisecond, nanosecond : numpy.ndarray
        Shape (n,): day, milliseconds of the day, nanoseconds of the millisecond; integers.
    """
    # As the reader rounds, ties included.
    rounded = np.round(nanosecond * 1e-9, 7)
    ticks = (
        (mjd.astype(np.int64) - MJD_OF_UNIX_EPOCH) * (_DAY_S * TICKS_A_S)
        + millisecond.astype(np.int64) * _TICKS_A_MS
        + np.round(rounded * TICKS_A_S).astype(np.int64)
    )
    second, rest = _nearest_second(ticks)
    day, fraction = _day_and_fraction(second.astype(np.float64), rest / TICKS_A_S)
    jd_1 = (_JD_OF_UNIX_EPOCH + 0.5) + day
    jd_2 = -0.5 + fraction
    extra = np.round(jd_2)
    return Times(ticks, jd_1 + extra, jd_2 - extra)


def _nearest_second(ticks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nearest whole second (ties to even, as Python's decimals round) and what is left, in ticks."""
    second, rest = np.divmod(ticks, TICKS_A_S)
    half = TICKS_A_S // 2
    up = (rest > half) | ((rest == half) & (second % 2 == 1))
    return second + up, rest - up * TICKS_A_S


def _day_and_fraction(value_1: Floats, value_2: Floats) -> tuple[Floats, Floats]:
    """Divide seconds in two parts by a day: ``astropy.time.utils.day_frac`` with a divisor."""
    total, error = _two_sum(value_1, value_2)
    quotient = total / _DAY_S
    product, product_error = _two_product(quotient, float(_DAY_S))
    rest, rest_error = _two_sum(total, -product)
    rest_error += error
    rest_error -= product_error
    total, error = _two_sum(quotient, (rest + rest_error) / _DAY_S)
    day = np.round(total)
    fraction, check = _two_sum(total - day, error)
    excess = np.where(fraction * np.sign(check) != 0.5, np.round(fraction), np.round(fraction + 2 * check))
    day += excess
    return day, (total - day) + error


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return a + b and the error of this sum (Shewchuk 1997)."""
    total = a + b
    b_part = total - a
    a_part = total - b_part
    return total, (a - a_part) + (b - b_part)


def _two_product(a: Floats, b: float) -> tuple[Floats, Floats]:
    """Return a * b and the error of this product (Shewchuk 1997)."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(np.float64(b))
    error = product - a_high * b_high
    error = error - a_low * b_high
    error = error - a_high * b_low
    return product, a_low * b_low - error


def _split(a: Any) -> tuple[Any, Any]:
    big = 134217729.0 * a  # 2**27 + 1
    high = big - (big - a)
    return high, a - high
