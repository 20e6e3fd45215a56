"""Elements are cut into jobs that fit their time."""

from __future__ import annotations

import subprocess
import sys

import pytest
from airflow_slurm.chunks import JobTimes, array_time_s, chunk
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3600.0


def test_jobs_of_different_length_have_the_same_time():
    times = {0: 10.0, 1: 10.0, 2: 30.0, 3: 30.0, 4: 60.0, 5: 5.0, 6: 5.0}
    assert chunk(range(7), times, 5, 65, per_job=100) == ((0, 1, 2), (3,), (4,), (5, 6))


def test_an_element_that_is_too_long_by_itself_gets_a_job_of_its_own():
    assert chunk(range(4), {0: 1, 1: 1, 2: 99, 3: 1}, 0, 10, per_job=4) == ((0, 1), (2,), (3,))


def test_no_job_has_more_elements_than_are_allowed():
    assert chunk(range(5), dict.fromkeys(range(5), 1), 0, None, per_job=2) == ((0, 1), (2, 3), (4,))


def test_there_are_enough_jobs_for_those_who_work_on_them():
    ones = dict.fromkeys(range(10), 1)
    assert [len(job) for job in chunk(range(10), ones, 0, None, per_job=10, jobs_min=4)] == [3, 3, 2, 2]
    assert chunk(range(2), ones, 0, None, per_job=10, jobs_min=4) == ((0,), (1,))


def test_the_order_of_the_elements_stays():
    assert chunk((7, 3, 5), dict.fromkeys((3, 5, 7), 1), 0, None, per_job=2) == ((7, 3), (5,))


def test_the_limit_of_an_array_is_that_of_its_longest_job_in_full_minutes():
    times = {0: 50.0, 1: 50.0, 2: 10.0}
    assert array_time_s(((0, 1), (2,)), times, 30, None) == 180
    assert array_time_s(((0, 1), (2,)), times, 30, 150.5) == 150  # never above what is allowed
    assert array_time_s(((2,),), {2: 0.0}, 0, None) == 60


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="per_job=0"):
        chunk((1,), {1: 1}, 0, None, per_job=0)
    with pytest.raises(ValueError, match="without an expected time: 2"):
        chunk((1, 2), {1: 1}, 0, None, per_job=1)


def test_a_night_of_real_size_fits_eight_hours_and_a_partition_of_two():
    calibrated = {index: 160.0 for index in range(450)}  # 9 runs, 25 subruns, 2 telescopes
    for limit_s in (8 * HOUR, 2 * HOUR):
        times = JobTimes(calibrated, 10.0, 8 * HOUR, limit_s, step_s=60)
        jobs, time_s = times.jobs(range(450), 300)
        assert time_s <= limit_s
        assert [index for job in jobs for index in job] == list(range(450))
        assert len(jobs) <= 1.2 * sum(calibrated.values()) / limit_s + 1


@given(
    times=st.lists(st.floats(0, 1000), min_size=1, max_size=60),
    start_s=st.floats(0, 100),
    max_s=st.one_of(st.none(), st.floats(1, 3000)),
    per_job=st.integers(1, 20),
    jobs_min=st.integers(1, 20),
)
def test_every_element_has_one_job_and_no_job_of_several_is_too_long(times, start_s, max_s, per_job, jobs_min):
    element_time_s = dict(enumerate(times))
    jobs = chunk(range(len(times)), element_time_s, start_s, max_s, per_job, jobs_min)
    assert [index for job in jobs for index in job] == list(range(len(times)))
    assert len(jobs) >= min(jobs_min, len(times))
    for job in jobs:
        assert 1 <= len(job) <= per_job
        if len(job) > 1 and max_s is not None:
            assert start_s + sum(element_time_s[index] for index in job) <= max_s * (1 + 1e-9)
    time_s = array_time_s(jobs, element_time_s, start_s, max_s)
    assert max_s is None or time_s <= max(1, max_s)


def test_chunks_need_no_airflow():
    code = "import sys, airflow_slurm.chunks; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
