"""The clock of MAGIC without GPS: the injected offset and drift come back, at simulated and at real rates."""

import numpy as np
import pytest

from stereo_tasks.kernels.broken_clock import DRIFT_MAX, SLICE_S, Clock, ClockSlice, Showers, clock_of

START_NS = 1_704_924_000_000_000_000
SEARCH_S = 4.0


def _poisson(rng, rate_hz, length_s, dead_time_s):
    times = np.cumsum(dead_time_s + rng.exponential(1 / rate_hz - dead_time_s, size=int(rate_hz * length_s * 1.2)))
    return times[times < length_s]


def _observed(length_s=60.0, common_hz=15.0, magic_hz=5.0, lst_hz=35.0, clock=lambda t: 0 * t, jitter_s=40e-9, seed=1):
    """Return what both record of showers, those in common brighter by a factor that differs between the telescopes."""
    rng = np.random.default_rng(seed)
    common = _poisson(rng, common_hz, length_s, 30e-6)
    light = rng.lognormal(5, 1, len(common))

    def telescope(rate_hz, clock, dim, resolution_ns):
        alone = _poisson(rng, rate_hz, length_s, 30e-6)
        time = np.concatenate([common + rng.normal(0, jitter_s, len(common)), alone])
        intensity = np.concatenate([light * rng.lognormal(0, 0.5, len(common)), dim * rng.lognormal(5, 1, len(alone))])
        time_ns = START_NS + np.round((time + clock(time)) * 1e9 / resolution_ns).astype(np.int64) * resolution_ns
        order = np.argsort(time_ns)
        return Showers(time_ns[order], intensity[order])

    return telescope(magic_hz, clock, 0.6, 100), telescope(lst_hz, lambda t: 0 * t, 0.6, 238)


def _broken(offset_s=2.3, drift=3e-6):
    return lambda time_s: offset_s + drift * time_s


def _error_ns(clock, magic, truth):
    """Return by how much the offset is wrong, at all events."""
    since_s = (magic.time_ns - START_NS) / 1e9
    return clock.offset_ns(magic.time_ns) - truth(since_s - truth(since_s)) * 1e9


@pytest.mark.parametrize(
    ("offset_s", "drift"), [(2.3, 3e-6), (-3.9, -3e-6), (0.0, 0.0), (1e-3, 15e-6), (-76039.3e-6, 0.0)]
)
def test_offset_and_drift_come_back(offset_s, drift):
    truth = _broken(offset_s, drift)
    magic, lst = _observed(clock=truth)
    clock = clock_of(magic, lst, SEARCH_S)
    assert (len(clock.slices), clock.lost) == (6, 0)
    assert np.abs(_error_ns(clock, magic, truth)).max() < 100
    assert all(abs(one.drift - drift) < 0.1e-6 for one in clock.slices)


def test_at_real_rates():
    truth = _broken()
    magic, lst = _observed(length_s=30, common_hz=200, magic_hz=100, lst_hz=5100, clock=truth)
    clock = clock_of(magic, lst, SEARCH_S)
    assert len(clock.slices) == 3
    assert np.abs(_error_ns(clock, magic, truth)).max() < 100


def test_a_drift_that_changes_is_followed():
    """0 to 10 us/s within ten minutes: 3 ms, which no straight line describes."""

    def truth(time_s):
        return -1.5 + 10e-6 / 600 * time_s**2 / 2

    magic, lst = _observed(length_s=600, clock=truth)
    clock = clock_of(magic, lst, SEARCH_S)
    assert len(clock.slices) == 60
    # Lines between slices of 10 s are beside this parabola by 0.3 us at most.
    assert np.abs(_error_ns(clock, magic, truth)).max() < 400


def test_minutes_without_lst_are_bridged():
    truth = _broken()
    magic, lst = _observed(length_s=120, clock=truth)
    away = (lst.time_ns > START_NS + 30_000_000_000) & (lst.time_ns < START_NS + 80_000_000_000)
    clock = clock_of(magic, Showers(lst.time_ns[~away], lst.intensity[~away]), SEARCH_S)
    assert 6 <= len(clock.slices) < 12
    assert clock.lost == 0
    assert np.abs(_error_ns(clock, magic, truth)).max() < 100


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_showers_have_no_offset(seed):
    magic, _ = _observed(seed=seed)
    _, lst = _observed(seed=seed + 100)
    clock = clock_of(magic, lst, SEARCH_S)
    assert clock.slices == ()
    assert clock.lost == 4  # the first and the last may lie outside of what LST-1 observed


def test_a_run_that_ends_when_lst_begins_has_lost_nothing():
    magic, _ = _observed()
    _, lst = _observed(seed=7)
    later = Showers(lst.time_ns + 58_000_000_000, lst.intensity)
    assert clock_of(magic, later, SEARCH_S) == Clock((), 0)


def test_beyond_the_range_nothing_is_found():
    magic, lst = _observed(clock=_broken(4.5, 0))
    assert clock_of(magic, lst, SEARCH_S).slices == ()
    assert clock_of(magic, lst, 5.0).slices != ()


def test_beyond_the_outer_slices_their_own_drift_holds():
    clock = Clock((ClockSlice(0, 100.0, 1e-6, 50), ClockSlice(10_000_000_000, 10_100.0, 1e-6, 50)), 0)
    times = np.array([-5_000_000_000, 0, 5_000_000_000, 15_000_000_000])
    assert clock.offset_ns(times) == pytest.approx([-4900.0, 100.0, 5100.0, 15_100.0])


def test_the_fastest_drift_is_within_what_is_looked_for():
    assert DRIFT_MAX * SLICE_S < 1e-3  # s: bright showers are farther apart
