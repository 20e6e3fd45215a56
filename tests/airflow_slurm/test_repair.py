"""What is tried again, with what limits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from airflow_slurm.array import ArraySpec, JobState, JobStatus
from airflow_slurm.repair import GivenUp, Limits, RepairPolicy, cause, next_arrays
from hypothesis import given
from hypothesis import strategies as st

SPEC = ArraySpec(
    "stage", "t-1", ("do",), tuple(range(10)), Path("/logs"), per_job=5, memory_mb=3000, time_s=600, cpus=2
)
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


def limits_after(state: JobState, number: int = 1, policy: RepairPolicy = POLICY, **status):
    end = JobStatus(state, **status)
    return policy.next_limits(SPEC, end, Counter({cause(end): number}))


@pytest.mark.parametrize(
    ("state", "limits", "last"),
    [
        (JobState.FAILED, Limits(3000, 600, 1), 1),
        (JobState.COMPLETED, Limits(3000, 600, 1), 1),  # without a record it has done nothing
        (JobState.OUT_OF_MEMORY, Limits(6000, 600, 1), 2),
        (JobState.TIMEOUT, Limits(3000, 1800, 1), 3),
        (JobState.NODE_FAIL, Limits(3000, 600, 5), 4),
        (JobState.PREEMPTED, Limits(3000, 600, 5), 5),
        (JobState.LOST, Limits(3000, 600, 5), 6),
    ],
)
def test_each_end_has_its_own_limits_and_count(state, limits, last):
    assert [limits_after(state, number) for number in range(1, last + 1)] == [limits] * last
    decision = limits_after(state, last + 1)
    assert isinstance(decision, GivenUp)
    # Another try of the task would begin with the same limits.
    assert decision.for_good is (state in (JobState.OUT_OF_MEMORY, JobState.TIMEOUT))


def test_memory_grows_after_a_kill_as_well():
    assert limits_after(JobState.FAILED, signal=9) == Limits(6000, 600, 1)
    assert limits_after(JobState.FAILED, signal=11) == Limits(3000, 600, 1)


def test_what_somebody_cancelled_is_left_alone():
    assert limits_after(JobState.CANCELLED) == GivenUp("its job was cancelled by somebody else", for_good=True)
    assert "never have started" in limits_after(JobState.CANCELLED, stuck=True).reason


def test_an_element_at_its_ceiling_is_not_tried_again():
    policy = RepairPolicy(memory_ceiling_mb=3000, time_ceiling_s=100)
    for state, text in ((JobState.OUT_OF_MEMORY, "3000 MB"), (JobState.TIMEOUT, "600 s")):
        decision = limits_after(state, 99, policy=policy)
        assert text in decision.reason
        assert decision.for_good
    assert limits_after(JobState.FAILED, signal=9, policy=policy) == Limits(3000, 600, 1)


def test_limits_grow_to_their_ceilings():
    policy = RepairPolicy(memory_ceiling_mb=4000, time_ceiling_s=700)
    assert limits_after(JobState.OUT_OF_MEMORY, policy=policy).memory_mb == 4000
    assert limits_after(JobState.TIMEOUT, policy=policy).time_s == 700


def test_elements_with_the_same_limits_go_together():
    plain, large = Limits(3000, 600, 1), Limits(6000, 600, 1)
    first, second = next_arrays(SPEC, {2: large, 3: plain, 7: large})
    assert (first.indices, first.memory_mb) == ((3,), 3000)
    assert (second.indices, second.memory_mb, second.jobs) == ((2, 7), 6000, range(2))
    assert {first.attempt, second.attempt} == {2}
    assert (second.cpus, second.command, second.log_folder) == (2, ("do",), Path("/logs"))
    assert next_arrays(SPEC, {}) == []


@given(
    ends=st.lists(st.sampled_from([state for state in JobState if state.final]), min_size=1, max_size=60),
    ceiling_mb=st.integers(1000, 50_000),
    ceiling_s=st.integers(100, 50_000),
)
def test_no_element_is_tried_for_ever_and_no_limit_shrinks(ends, ceiling_mb, ceiling_s):
    policy = RepairPolicy(memory_ceiling_mb=ceiling_mb, time_ceiling_s=ceiling_s)
    spec, counts, tries = SPEC, Counter(), 1
    for state in ends:
        end = JobStatus(state)
        counts[cause(end)] += 1
        decision = policy.next_limits(spec, end, counts)
        if isinstance(decision, GivenUp):
            break
        assert decision.memory_mb >= spec.memory_mb
        assert decision.time_s >= spec.time_s
        assert decision.memory_mb <= max(ceiling_mb, SPEC.memory_mb)
        assert decision.time_s <= max(ceiling_s, SPEC.time_s)
        (spec,) = next_arrays(spec, {1: decision})
        tries += 1
    assert tries <= 1 + 2 + 3 + 2 + 3 + 10 + 2


@pytest.mark.parametrize("wrong", [{"repairs": -1}, {"losses": -1}, {"memory_factor": 0.5}, {"time_factor": 0}])
def test_a_policy_that_cannot_help_is_refused(wrong):
    with pytest.raises(ValueError, match="must not be negative"):
        RepairPolicy(**wrong)
