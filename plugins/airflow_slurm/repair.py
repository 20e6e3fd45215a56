"""What is tried again after a job has ended, and with what limits."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from airflow_slurm.array import ArraySpec, JobState, JobStatus
from airflow_slurm.chunks import JobTimes

_PLACE = (JobState.NODE_FAIL, JobState.PREEMPTED, JobState.LOST)
"""Ends that say something of the place where a job ran, and nothing of its elements."""

_LIMITS = (JobState.OUT_OF_MEMORY, JobState.TIMEOUT)


class Limits(NamedTuple):
    """What the next jobs of some elements are given."""

    memory_mb: int
    per_job: int
    """Elements a job works on at the most."""
    time_max_s: float
    """No job is longer."""


class GivenUp(NamedTuple):
    """Why an element is not tried again."""

    reason: str
    for_good: bool = False
    """Whether another try of the whole task would end in the same way."""


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has ended and left elements without success."""

    end: JobStatus
    elements: tuple[int, ...]
    """All that it worked on, in this order."""
    unfinished: tuple[int, ...]
    """Those without success."""
    array: ArraySpec

    @property
    def cause(self) -> JobState:
        """The way of ending that it counts as: without success, COMPLETED is a failure."""
        return JobState.FAILED if self.end.state == JobState.COMPLETED else self.end.state

    @property
    def at_work(self) -> int:
        """The element that it was most probably working on when it ended."""
        return self.unfinished[0]

    def same_limits(self, times: JobTimes) -> Limits:
        """Return the limits that it had."""
        return Limits(self.array.memory_mb, self.array.per_job, max(times.planned_max_s, self.array.time_s))

    @property
    def counts(self) -> bool:
        """Whether its end counts for its elements: of several that shared a time limit, nobody knows whose it was."""
        return self.cause != JobState.TIMEOUT or len(self.elements) == 1


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """How often and with what limits elements are tried again.

    Each way to end has a count of its own, an element at a time: a night of failing nodes does not use up the tries of
    an element that fails later. An element whose job exceeded its memory or time at the ceiling is not tried again, nor
    is one whose job was cancelled by somebody else: that was somebody's decision.

    Only an element that was alone in its job can have exceeded a time limit. Where several shared one, all that are not
    done are tried again in smaller jobs, and nothing is counted: the one that was at work alone, the others in halves.

    Parameters
    ----------
    repairs : int
        More tries for an element that failed or left no valid record; 0 for none.
    memory_repairs, time_repairs : int
        More tries for one whose job exceeded its memory or its time.
    node_failures, preemptions, losses : int
        More tries for one whose node failed, whose job had to make room for others, or whose job nobody knows any more.
    memory_factor : float
        By how much the memory of a job grows after it was exceeded, or after SIGKILL, by which some places end a job
        that needs too much.
    time_factor : float
        By how much the expected time of elements grows after their job was too short for them.
    memory_ceiling_mb : int
        Memory that is never exceeded by growing, in MB.
    time_ceiling_s : int
        Time of a job that is never exceeded by growing, in seconds; nor is what the place allows.
    exclude_failed_nodes : bool
        Whether jobs that are submitted again keep away from nodes that failed.
    """

    repairs: int = 2
    memory_repairs: int = 3
    time_repairs: int = 2
    node_failures: int = 3
    preemptions: int = 10
    losses: int = 2
    memory_factor: float = 2.0
    memory_ceiling_mb: int = 64_000
    time_factor: float = 2.0
    time_ceiling_s: int = 86_400
    exclude_failed_nodes: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot help."""
        if min(self._allowed.values()) < 0 or self.memory_factor < 1 or self.time_factor < 1:
            raise ValueError(f"repairs must not be negative, factors not below 1: {self}")

    @property
    def _allowed(self) -> dict[JobState, int]:
        return {
            JobState.FAILED: self.repairs,
            JobState.OUT_OF_MEMORY: self.memory_repairs,
            JobState.TIMEOUT: self.time_repairs,
            JobState.NODE_FAIL: self.node_failures,
            JobState.PREEMPTED: self.preemptions,
            JobState.LOST: self.losses,
        }

    def next_limits(
        self, job: EndedJob, index: int, counts: Mapping[JobState, int], times: JobTimes
    ) -> Limits | GivenUp:
        """Return the limits of the next try of an element that is not done, or why there is none.

        Parameters
        ----------
        job : EndedJob
            The job that tried it.
        index : int
            The element.
        counts : mapping of JobState to int
            How often the element's jobs ended in which way so far, this end included, by `EndedJob.cause`.
        times : JobTimes
            How long jobs may take.
        """
        why, same = job.cause, job.same_limits(times)
        if why == JobState.CANCELLED:
            by = "because it would never have started" if job.end.stuck else "by somebody else"
            return GivenUp(f"its job was cancelled {by}", for_good=True)
        if at_ceiling := self._reached_ceiling(job, times):
            return GivenUp(f"it needs more than the {at_ceiling} that a job may have", for_good=True)
        if counts.get(why, 0) > self._allowed[why]:
            # Another try of the task would begin with the same limits, and climb the same steps.
            return GivenUp(f"{counts[why]} jobs of it ended {why}", for_good=why in _LIMITS)
        if why in _PLACE:  # what breaks a node has nothing to do with the elements
            return same
        if why == JobState.TIMEOUT:
            if index == job.at_work:
                return Limits(same.memory_mb, 1, self.longest_s(times))
            return Limits(same.memory_mb, math.ceil((len(job.unfinished) - 1) / 2), times.planned_max_s)
        # What breaks an element must not take its neighbours along again.
        grows = why == JobState.OUT_OF_MEMORY or job.end.signal == signal.SIGKILL
        return Limits(self._grown_mb(same.memory_mb) if grows else same.memory_mb, 1, same.time_max_s)

    def _reached_ceiling(self, job: EndedJob, times: JobTimes) -> str:
        """Return the limit that a job exceeded and that cannot grow; empty if there is none."""
        memory_mb, time_s = job.array.memory_mb, job.array.time_s
        if job.cause == JobState.OUT_OF_MEMORY and self.memory_factor > 1 and self._grown_mb(memory_mb) == memory_mb:
            return f"{memory_mb} MB"
        if job.cause == JobState.TIMEOUT and job.counts and self.time_factor > 1 and time_s >= self.longest_s(times):
            return f"{time_s} s"
        return ""

    def _grown_mb(self, memory_mb: int) -> int:
        # A limit that was above the ceiling from the start stays as it was asked for.
        return max(memory_mb, min(round(memory_mb * self.memory_factor), self.memory_ceiling_mb))

    def next_time_s(self, job: EndedJob, index: int, times: JobTimes) -> float:
        """Return how long an element is expected to take after its job was too short for it, in seconds."""
        needed_s = times.element_s[index]
        if index == job.at_work == job.elements[0]:  # it had all the time that there was
            needed_s = max(needed_s, job.array.time_s - times.start_s)
        grown_s = (times.start_s + needed_s) * self.time_factor - times.start_s
        return max(times.element_s[index], min(grown_s, self.longest_s(times) - times.start_s))

    def longest_s(self, times: JobTimes) -> float:
        """Return the time that no job exceeds by growing, in seconds."""
        return min(self.time_ceiling_s, math.inf if times.place_max_s is None else times.place_max_s)


def next_arrays(spec: ArraySpec, again: Mapping[int, Limits], times: JobTimes) -> list[ArraySpec]:
    """Return the arrays that try elements of another one again, as yet without tokens.

    Elements with the same limits go together. Limits grow by factors, so there are few groups; one array with the
    largest limits for all would make those that need little wait for nodes that have much.

    Parameters
    ----------
    spec : ArraySpec
        What was tried last.
    again : mapping of int to Limits
        The limits of the next try of each element.
    times : JobTimes
        How long elements take.
    """
    groups: dict[Limits, list[int]] = {}
    for index, limits in again.items():
        groups.setdefault(limits, []).append(index)
    arrays = []
    for limits, indices in sorted(groups.items()):
        jobs, time_s = times.jobs(indices, limits.per_job, max_s=limits.time_max_s)
        arrays.append(
            replace(spec, token="", jobs=jobs, time_s=time_s, memory_mb=limits.memory_mb, attempt=spec.attempt + 1)
        )
    return arrays
