"""What is tried again, with what limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow_slurm.array import ArraySpec, JobState
from airflow_slurm.repair import RepairPolicy

SPEC = ArraySpec(
    "stage", "t-1", ("do",), tuple(range(10)), Path("/logs"), per_job=5, memory_mb=3000, time_s=600, cpus=2
)


def test_only_what_was_exceeded_grows():
    policy = RepairPolicy(memory_factor=2, time_factor=3)
    again = policy.again(SPEC, (2, 7), {JobState.OUT_OF_MEMORY, JobState.FAILED}, "t-2")
    assert (again.memory_mb, again.time_s) == (6000, 600)
    again = policy.again(SPEC, (2, 7), {JobState.TIMEOUT}, "t-2")
    assert (again.memory_mb, again.time_s) == (3000, 1800)
    assert (again.jobs, again.elements(1), again.token, again.attempt, again.cpus) == (range(2), (7,), "t-2", 2, 2)


def test_limits_grow_to_their_ceilings_and_never_shrink():
    ends = {JobState.OUT_OF_MEMORY, JobState.TIMEOUT}
    again = RepairPolicy(memory_ceiling_mb=4000, time_ceiling_s=700).again(SPEC, (1,), ends, "t-2")
    assert (again.memory_mb, again.time_s) == (4000, 700)
    again = RepairPolicy(memory_ceiling_mb=1000, time_ceiling_s=100).again(SPEC, (1,), ends, "t-2")
    assert (again.memory_mb, again.time_s) == (3000, 600)


@pytest.mark.parametrize("wrong", [{"repairs": -1}, {"memory_factor": 0.5}, {"time_factor": 0}])
def test_a_policy_that_cannot_help_is_refused(wrong):
    with pytest.raises(ValueError, match="must not be negative"):
        RepairPolicy(**wrong)
