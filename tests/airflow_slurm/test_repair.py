"""What is tried again, with what limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from airflow_slurm.array import ArraySpec, JobState, JobStatus
from airflow_slurm.chunks import JobTimes
from airflow_slurm.repair import EndedJob, GivenUp, Limits, RepairPolicy, next_arrays
from hypothesis import given, settings
from hypothesis import strategies as st

HOUR = 3600
SPEC = ArraySpec("stage", "t-1", ("do",), ((0, 1, 2, 3, 4), (5,)), Path("/logs"), memory_mb=3000, time_s=600, cpus=2)
POLICY = RepairPolicy(
    repairs=1,
    memory_repairs=2,
    time_repairs=3,
    node_failures=4,
    preemptions=5,
    losses=6,
    memory_factor=2,
    time_factor=3,
)


def job_times(place_max_s: float | None = None) -> JobTimes:
    """Elements of 100 s, and jobs of 20 min."""
    return JobTimes(dict.fromkeys(range(6), 100.0), 50.0, 1200.0, place_max_s, step_s=60)


def ended(state: JobState, *, alone: bool = False, unfinished: tuple[int, ...] = (2, 3, 4), **status) -> EndedJob:
    """A job of five elements of which two are done, or one with a single element."""
    elements = (5,) if alone else (0, 1, 2, 3, 4)
    return EndedJob(JobStatus(state, **status), elements, elements if alone else unfinished, SPEC)


def limits_after(job: EndedJob, number: int = 1, policy: RepairPolicy = POLICY, index: int | None = None, times=None):
    index = job.unfinished[-1] if index is None else index
    return policy.next_limits(job, index, Counter({job.cause: number}), times or job_times())


@pytest.mark.parametrize(
    ("state", "limits", "last"),
    [
        (JobState.FAILED, Limits(3000, 1, 1200), 1),
        (JobState.COMPLETED, Limits(3000, 1, 1200), 1),  # without a record it has done nothing
        (JobState.OUT_OF_MEMORY, Limits(6000, 1, 1200), 2),
        (JobState.NODE_FAIL, Limits(3000, 5, 1200), 4),
        (JobState.PREEMPTED, Limits(3000, 5, 1200), 5),
        (JobState.LOST, Limits(3000, 5, 1200), 6),
    ],
)
def test_each_end_has_its_own_limits_and_count(state, limits, last):
    assert [limits_after(ended(state), number) for number in range(1, last + 1)] == [limits] * last
    decision = limits_after(ended(state), last + 1)
    assert isinstance(decision, GivenUp)
    # Another try of the task would begin with the same limits.
    assert decision.for_good is (state == JobState.OUT_OF_MEMORY)


def test_a_place_that_failed_changes_no_time():
    spec = replace(SPEC, jobs=((5,),), time_s=5400)
    job = EndedJob(JobStatus(JobState.NODE_FAIL), (5,), (5,), spec)
    times = job_times()
    times.element_s[5] = 5350.0
    (again,) = next_arrays(spec, {5: limits_after(job, times=times)}, times)
    assert (again.jobs, again.time_s) == (((5,),), 5400)


def test_memory_grows_after_a_kill_as_well():
    assert limits_after(ended(JobState.FAILED, signal=9)).memory_mb == 6000
    assert limits_after(ended(JobState.FAILED, signal=11)).memory_mb == 3000


def test_what_somebody_cancelled_is_left_alone():
    cancelled = ended(JobState.CANCELLED)
    assert limits_after(cancelled) == GivenUp("its job was cancelled by somebody else", for_good=True)
    assert "never have started" in limits_after(ended(JobState.CANCELLED, stuck=True)).reason


def test_of_several_that_shared_a_time_limit_nobody_is_given_up():
    job = ended(JobState.TIMEOUT)
    policy = RepairPolicy(time_repairs=0, time_ceiling_s=600)
    assert not job.counts
    assert limits_after(job, 0, policy, index=2) == Limits(3000, 1, 600)  # it was at work
    assert [limits_after(job, 0, policy, index=index) for index in (3, 4)] == [Limits(3000, 1, 1200)] * 2
    many = ended(JobState.TIMEOUT, unfinished=(0, 1, 2, 3, 4))
    assert limits_after(many, 0, policy, index=3).per_job == 2


def test_an_element_that_was_alone_is_given_up_at_the_ceiling():
    alone = ended(JobState.TIMEOUT, alone=True)
    assert alone.counts
    for policy, times in (
        (RepairPolicy(time_ceiling_s=600), job_times()),
        (POLICY, job_times(place_max_s=600.0)),  # the partition allows no more
    ):
        decision = limits_after(alone, policy=policy, times=times)
        assert isinstance(decision, GivenUp)
        assert "600 s" in decision.reason
        assert decision.for_good
    assert limits_after(alone, 3) == Limits(3000, 1, 86_400)
    assert limits_after(alone, 4) == GivenUp("4 jobs of it ended TIMEOUT", for_good=True)


def test_the_time_of_elements_grows_after_a_time_limit_up_to_what_is_allowed():
    times = job_times()
    assert POLICY.next_time_s(ended(JobState.TIMEOUT), 3, times) == 150 * 3 - 50
    # It had all the 600 s of its job.
    assert POLICY.next_time_s(ended(JobState.TIMEOUT, alone=True), 5, times) == 600 * 3 - 50
    hanging = ended(JobState.TIMEOUT, unfinished=(0, 1, 2, 3, 4))
    assert POLICY.next_time_s(hanging, 0, times) == 600 * 3 - 50
    assert POLICY.next_time_s(hanging, 1, times) == 150 * 3 - 50
    assert POLICY.next_time_s(hanging, 0, job_times(place_max_s=700)) == 650


def test_memory_at_its_ceiling_is_not_exceeded_again():
    policy = RepairPolicy(memory_ceiling_mb=3000)
    decision = limits_after(ended(JobState.OUT_OF_MEMORY), 1, policy)
    assert "3000 MB" in decision.reason
    assert decision.for_good
    assert limits_after(ended(JobState.FAILED, signal=9), policy=policy).memory_mb == 3000
    higher = RepairPolicy(memory_ceiling_mb=4000)
    assert limits_after(ended(JobState.OUT_OF_MEMORY), policy=higher).memory_mb == 4000


def test_elements_with_the_same_limits_go_together():
    usual, large = Limits(3000, 2, 1200), Limits(6000, 1, 1200)
    times = job_times()
    times.element_s[4] = 1100.0
    first, second = next_arrays(SPEC, {1: usual, 2: large, 3: usual, 4: usual, 5: large}, times)
    assert (first.jobs, first.memory_mb, first.time_s) == (((1, 3), (4,)), 3000, 1200)
    assert (second.jobs, second.memory_mb, second.time_s) == (((2,), (5,)), 6000, 180)
    assert {first.attempt, second.attempt} == {2}
    assert (second.cpus, second.command, second.log_folder) == (2, ("do",), Path("/logs"))
    assert next_arrays(SPEC, {}, times) == []


@given(
    ends=st.lists(st.sampled_from([state for state in JobState if state.final]), min_size=1, max_size=60),
    ceiling_mb=st.integers(1000, 50_000),
    ceiling_s=st.integers(100, 50_000),
)
def test_no_element_is_tried_for_ever_and_no_limit_shrinks(ends, ceiling_mb, ceiling_s):
    policy = RepairPolicy(memory_ceiling_mb=ceiling_mb, time_ceiling_s=ceiling_s)
    times, counts, tries = job_times(), Counter(), 1
    spec = replace(SPEC, jobs=((5,),))
    for state in ends:
        job = EndedJob(JobStatus(state), (5,), (5,), spec)
        counts[job.cause] += job.counts
        decision = policy.next_limits(job, 5, counts, times)
        if isinstance(decision, GivenUp):
            break
        if state == JobState.TIMEOUT:
            times.element_s[5] = policy.next_time_s(job, 5, times)
        (again,) = next_arrays(spec, {5: decision}, times)
        assert again.memory_mb >= spec.memory_mb
        assert again.memory_mb <= max(ceiling_mb, SPEC.memory_mb)
        assert again.time_s <= max(ceiling_s, times.planned_max_s)
        if state == JobState.TIMEOUT:
            assert again.time_s > spec.time_s
        spec = again
        tries += 1
    assert tries <= 1 + 2 + 3 + 2 + 3 + 10 + 2


class Cluster:
    """Elements that take their time, one after the other, in jobs that end with their time limit."""

    def __init__(self, needs_s: dict[int, float], times: JobTimes, policy: RepairPolicy) -> None:
        self.needs_s, self.times, self.policy = needs_s, times, policy
        self.done: set[int] = set()
        self.given_up: dict[int, str] = {}
        self.counts: dict[int, Counter] = {index: Counter() for index in needs_s}
        self.longest_s = 0.0

    def run_all(self, spec: ArraySpec) -> dict[int, Limits]:
        """Run all jobs of an array; return what is to be tried again."""
        return {index: limits for elements in spec.jobs for index, limits in self.run(spec, elements).items()}

    def run(self, spec: ArraySpec, elements: tuple[int, ...]) -> dict[int, Limits]:
        """Run a job; return what is to be tried again."""
        self.longest_s = max(self.longest_s, spec.time_s)
        left_s = spec.time_s - self.times.start_s
        for index in elements:
            left_s -= self.needs_s[index]
            if left_s < 0:
                break
            self.done.add(index)
        unfinished = tuple(index for index in elements if index not in self.done)
        job = EndedJob(JobStatus(JobState.TIMEOUT), elements, unfinished, spec)
        again = {}
        for index in unfinished:
            self.counts[index][JobState.TIMEOUT] += job.counts
            decision = self.policy.next_limits(job, index, self.counts[index], self.times)
            if isinstance(decision, GivenUp):
                self.given_up[index] = decision.reason
                continue
            again[index] = decision
            self.times.element_s[index] = self.policy.next_time_s(job, index, self.times)
        return again


@settings(max_examples=200)
@given(
    needs=st.lists(st.floats(1, 20_000), min_size=1, max_size=30),
    per_job=st.integers(1, 30),
    place_max_s=st.sampled_from([None, 7200.0, 20_000.0]),
)
def test_only_elements_that_need_more_than_they_may_have_are_given_up(needs, per_job, place_max_s):
    needs_s = dict(enumerate(needs))
    planned_s = 7200.0
    times = JobTimes(dict.fromkeys(needs_s, 600.0), 10.0, planned_s, place_max_s, step_s=60)
    policy = RepairPolicy(time_ceiling_s=20_000)
    cluster = Cluster(needs_s, times, policy)
    jobs, time_s = times.jobs(tuple(needs_s), per_job)
    arrays = [replace(SPEC, jobs=jobs, time_s=time_s)]
    for _ in range(40):
        arrays = [array for spec in arrays for array in next_arrays(spec, cluster.run_all(spec), times)]
    assert not arrays
    assert set(needs_s) == cluster.done | cluster.given_up.keys()
    # Three tries alone, each with twice the time, or the ceiling.
    assert all(needs_s[index] + 10 > min(4 * 600, policy.longest_s(times)) for index in cluster.given_up)
    assert cluster.longest_s <= policy.longest_s(times)


@pytest.mark.parametrize("wrong", [{"repairs": -1}, {"losses": -1}, {"memory_factor": 0.5}, {"time_factor": 0}])
def test_a_policy_that_cannot_help_is_refused(wrong):
    with pytest.raises(ValueError, match="must not be negative"):
        RepairPolicy(**wrong)
