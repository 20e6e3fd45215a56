import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_tasks.steps.dl3 import GAP_S, good_time_intervals


def test_a_lost_subrun_is_no_live_time():
    times = np.concatenate([np.arange(0, 10, 0.1), np.arange(20, 30, 0.1)])
    intervals = good_time_intervals(times)
    assert intervals == pytest.approx(np.array([[0, 9.9], [20, 29.9]]))


def test_without_a_gap_there_is_one_interval_in_any_order_of_events():
    assert good_time_intervals(np.array([0.9, 0.0, 0.5])).tolist() == [[0.0, 0.9]]


@given(st.lists(st.floats(0.001, 5), min_size=2, max_size=50))
def test_the_intervals_are_the_on_time_of_the_tool(steps):
    times = np.cumsum(steps)
    differences = np.diff(times)
    intervals = good_time_intervals(times)
    assert (intervals[:, 1] - intervals[:, 0]).sum() == pytest.approx(differences[differences < GAP_S].sum())
