import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_tasks.steps.live_time import (
    CLOCK_MARGIN_S,
    FALSE_GAPS,
    LST_1,
    MAGIC_1,
    MAGIC_2,
    alive_intervals,
    inside,
    intersection,
    live_intervals,
)

RATES_HZ = {LST_1: 100.0, MAGIC_1: 120.0, MAGIC_2: 120.0}
LST_RATE_HZ = 5300.0


def showers(rate_hz, *spans, seed=1):
    """Poisson events at a rate within spans of time, in s."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(*span, rng.poisson(rate_hz * (span[1] - span[0]))) for span in spans])


def length(intervals):
    return (intervals[:, 1] - intervals[:, 0]).sum()


@pytest.mark.parametrize(("rate_hz", "seconds"), [(8.0, 30.0), (150.0, 1200.0), (5300.0, 120.0)])
@pytest.mark.parametrize("seed", range(5))
def test_chance_opens_no_gap(rate_hz, seconds, seed):
    (interval,) = alive_intervals(showers(rate_hz, (0, seconds), seed=seed))
    assert interval == pytest.approx([0, seconds], abs=10 / rate_hz)


@pytest.mark.parametrize(("rate_hz", "stall_s"), [(13.0, 3.0), (150.0, 0.3), (5300.0, 0.01)])
def test_a_stall_is_a_gap_from_some_30_mean_waiting_times_on(rate_hz, stall_s):
    times = showers(rate_hz, (0, 10), (10 + stall_s, 30))
    intervals = alive_intervals(times)
    assert intervals == pytest.approx(np.array([[0, 10], [10 + stall_s, 30]]), abs=10 / rate_hz)
    assert stall_s * rate_hz < 1.5 * math.log(len(times) / FALSE_GAPS) + 20


def test_the_rate_at_a_third_of_the_time_costs_hardly_any_live_time():
    times = showers(150, (0, 600), seed=2)
    cloudy = showers(50, (600, 1200), seed=3)
    assert length(alive_intervals(np.concatenate([times, cloudy]))) == pytest.approx(1200, rel=0.001)


@given(st.lists(st.floats(0, 1000), min_size=2, unique=True))
def test_intervals_rise_have_a_length_and_begin_and_end_with_events(times):
    intervals = alive_intervals(np.array(times))
    edges = intervals.ravel()
    assert (np.diff(edges) > 0).all()
    assert np.isin(edges, times).all()


@pytest.mark.parametrize("times", [[], [5.0], [5.0, 5.0]])
def test_of_less_than_two_events_no_time_is_known(times):
    assert alive_intervals(np.array(times)).shape == (0, 2)


def spans():
    return st.lists(st.integers(0, 1000), unique=True, max_size=20).map(
        lambda edges: np.array(sorted(edges[: len(edges) // 2 * 2]), dtype=float).reshape(-1, 2)
    )


@given(spans(), spans())
def test_a_time_is_in_the_intersection_if_it_is_in_both(left, right):
    times = np.arange(1000) + 0.5
    assert np.array_equal(inside(times, intersection(left, right)), inside(times, left) & inside(times, right))


@pytest.mark.parametrize("stalled", [LST_1, MAGIC_1, MAGIC_2])
def test_the_array_is_not_alive_while_one_telescope_stalls(stalled):
    """Events of MAGIC alone go on through a stall of LST-1 in DL2, those of LST-1 and M1 through one of M2."""
    whole, cut = [(0, 40)], [(0, 15), (18, 40)]
    images = {tel: showers(rate, *(cut if tel == stalled else whole), seed=tel) for tel, rate in RATES_HZ.items()}
    lst = showers(LST_RATE_HZ, *(cut if stalled == LST_1 else whole))
    intervals = live_intervals(images, [lst])
    assert intervals == pytest.approx(np.array([[0, 15], [18, 40]]), abs=0.1)
    assert length(intersection(intervals, np.array([[15.0, 18.0]]))) <= 2 * CLOCK_MARGIN_S


def test_a_subrun_of_lst_1_that_was_lost_on_the_way_to_dl2_is_no_live_time():
    subruns = [showers(LST_RATE_HZ, (start, start + 10)) for start in (0, 10, 20)]
    images = {tel: showers(rate, (0, 10), (20, 30), seed=tel) for tel, rate in RATES_HZ.items()}
    assert live_intervals(images, subruns) == pytest.approx(np.array([[0, 10], [20, 30]]), abs=0.1)


def test_the_border_of_two_subruns_is_no_gap():
    subruns = [showers(LST_RATE_HZ, (start, start + 10)) for start in (0, 10)]
    images = {tel: showers(rate, (0, 20), seed=tel) for tel, rate in RATES_HZ.items()}
    assert len(live_intervals(images, subruns)) == 1


def test_without_any_subrun_there_is_no_live_time():
    images = {tel: showers(rate, (0, 20), seed=tel) for tel, rate in RATES_HZ.items()}
    assert live_intervals(images, []).shape == (0, 2)
