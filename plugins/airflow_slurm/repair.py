"""What is tried again after a job has ended, and with what limits."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from airflow_slurm.array import ArraySpec, JobState, JobStatus

_PLACE = (JobState.NODE_FAIL, JobState.PREEMPTED, JobState.LOST)
"""Ends that say something of the place where a job ran, and nothing of its elements."""

_LIMITS = (JobState.OUT_OF_MEMORY, JobState.TIMEOUT)


class Limits(NamedTuple):
    """What the jobs of an array are given."""

    memory_mb: int
    time_s: int
    per_job: int


class GivenUp(NamedTuple):
    """Why an element is not tried again."""

    reason: str
    for_good: bool = False
    """Whether another try of the whole task would end in the same way."""


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """How often and with what limits elements are tried again.

    Each way to end has a count of its own, an element at a time: a night of failing nodes does not use up the tries of
    an element that fails later. An element whose job exceeded its memory or time at the ceiling is not tried again, nor
    is one whose job was cancelled by somebody else: that was somebody's decision.

    Parameters
    ----------
    repairs : int
        More tries for an element that failed or left no valid record; 0 for none.
    memory_repairs, time_repairs : int
        More tries for one whose job exceeded its memory or its time.
    node_failures, preemptions, losses : int
        More tries for one whose node failed, whose job had to make room for others, or whose job nobody knows any more.
    memory_factor, time_factor : float
        By how much the limit grows after a job has exceeded it. Memory also grows after SIGKILL, by which some places
        end a job that needs too much.
    memory_ceiling_mb : int
        Memory that is never exceeded by growing, in MB.
    time_ceiling_s : int
        Time that is never exceeded by growing, in seconds.
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

    def next_limits(self, spec: ArraySpec, end: JobStatus, counts: Mapping[JobState, int]) -> Limits | GivenUp:
        """Return the limits of the next try of an element that is not done, or why there is none.

        Parameters
        ----------
        spec : ArraySpec
            The array whose job tried it.
        end : JobStatus
            How that job ended.
        counts : mapping of JobState to int
            How often the element's jobs ended in which way so far, this end included, by `cause`.
        """
        why = cause(end)
        if why == JobState.CANCELLED:
            by = "because it would never have started" if end.stuck else "by somebody else"
            return GivenUp(f"its job was cancelled {by}", for_good=True)
        memory_mb, time_s = spec.memory_mb, spec.time_s
        if why == JobState.OUT_OF_MEMORY or end.signal == signal.SIGKILL:
            memory_mb = _grown(memory_mb, self.memory_factor, self.memory_ceiling_mb)
        if why == JobState.TIMEOUT:
            time_s = _grown(time_s, self.time_factor, self.time_ceiling_s)
        if why == JobState.OUT_OF_MEMORY and memory_mb == spec.memory_mb and self.memory_factor > 1:
            return GivenUp(f"it needs more than the {memory_mb} MB that a job may have", for_good=True)
        if why == JobState.TIMEOUT and time_s == spec.time_s and self.time_factor > 1:
            return GivenUp(f"it needs more than the {time_s} s that a job may have", for_good=True)
        if counts.get(why, 0) > self._allowed[why]:
            # Another try of the task would begin with the same limits, and climb the same steps.
            return GivenUp(f"{counts[why]} jobs of it ended {why}", for_good=why in _LIMITS)
        # What breaks an element must not take its neighbours along again; what breaks a node has nothing to do with it.
        return Limits(memory_mb, time_s, spec.per_job if why in _PLACE else 1)


def cause(end: JobStatus) -> JobState:
    """Return the way of ending that a job counts as, for elements that it should have done and has not."""
    return JobState.FAILED if end.state == JobState.COMPLETED else end.state


def next_arrays(spec: ArraySpec, again: Mapping[int, Limits]) -> list[ArraySpec]:
    """Return the arrays that try elements of another one again, as yet without tokens.

    Elements with the same limits go together. Limits grow by factors, so there are few groups; one array with the
    largest limits for all would make those that need little wait for nodes that have much.

    Parameters
    ----------
    spec : ArraySpec
        What was tried last.
    again : mapping of int to Limits
        The limits of the next try of each element.
    """
    groups: dict[Limits, list[int]] = {}
    for index, limits in again.items():
        groups.setdefault(limits, []).append(index)
    return [
        replace(spec, token="", indices=tuple(indices), attempt=spec.attempt + 1, **limits._asdict())
        for limits, indices in sorted(groups.items())
    ]


def _grown(limit: int, factor: float, ceiling: int) -> int:
    # A limit that was above the ceiling from the start stays as it was asked for.
    return max(limit, min(round(limit * factor), ceiling))
