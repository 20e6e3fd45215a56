"""Event times against ctapipe_io_magic's way through decimal numbers and astropy."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ctapipe", reason="the kernels are compared in the science environment")

from astropy.time import Time

from stereo_tasks.kernels.clock import times

DAY_MS = 86_400_000


def by_astropy(mjd, millisecond, nanosecond):
    """Return the times as MarsCalibratedRun makes them."""
    parts = (
        np.round(Time(mjd, format="mjd", scale="utc").unix),
        np.round(millisecond * 1e-3, 3),
        np.round(nanosecond * 1e-9, 7),
    )
    day, milliseconds, nanoseconds = (np.array([Decimal(str(value)) for value in part]) for part in parts)
    return Time(day + milliseconds + nanoseconds, format="unix", scale="utc")


nanoseconds = st.one_of(st.integers(0, 1_000_000), st.integers(0, 10_000).map(lambda n: 50 + 100 * n))
milliseconds = st.one_of(st.integers(-DAY_MS // 2, DAY_MS), st.integers(-80, 172).map(lambda n: 500 * n))


@given(parts=st.lists(st.tuples(st.integers(55_000, 65_000), milliseconds, nanoseconds), min_size=20, max_size=200))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times(parts):
    mjd, millisecond, nanosecond = (np.array(column) for column in zip(*parts, strict=True))
    mjd, millisecond, nanosecond = mjd.astype(np.uint32), millisecond.astype(np.int32), nanosecond.astype(np.uint32)
    own, expected = times(mjd, millisecond, nanosecond), by_astropy(mjd, millisecond, nanosecond)
    assert own.mjd.tobytes() == expected.mjd.tobytes()
    assert own.unix.tobytes() == expected.unix.tobytes()
    fractional, integral = np.modf(expected.to_value(format="unix", subfmt="long"))
    assert own.seconds.tolist() == integral.astype(int).tolist()
    assert own.nanoseconds.tolist() == (fractional * 1e9).round().astype(int).tolist()
