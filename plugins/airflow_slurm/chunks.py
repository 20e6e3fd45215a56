"""Cutting the elements of an array into jobs that fit their time.

This module imports nothing of Airflow nor of this package, so that whoever plans can use it anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def chunk(
    indices: Sequence[int],
    element_time_s: Mapping[int, float],
    start_s: float,
    max_time_s: float | None,
    per_job: int,
    jobs_min: int = 1,
) -> tuple[tuple[int, ...], ...]:
    """Cut consecutive elements into jobs whose time is within a limit.

    An element that exceeds the limit by itself gets a job of its own.

    Parameters
    ----------
    indices : sequence of int
        The elements, in the order in which they are worked on.
    element_time_s : mapping of int to float
        How long each of them is expected to take at the most, in seconds.
    start_s : float
        What the start of a job takes beside its elements, in seconds.
    max_time_s : float or None
        No job of several elements is expected to take longer, in seconds; None for no limit.
    per_job : int
        Elements that a job works on at the most.
    jobs_min : int
        At least so many jobs, if there are so many elements.

    Returns
    -------
    tuple of tuple of int
        The elements of each job.

    Raises
    ------
    ValueError
        If `per_job` or `jobs_min` is below 1, or an element has no time.
    """
    if per_job < 1 or jobs_min < 1:
        raise ValueError(f"a job needs an element, and an array a job: per_job={per_job}, jobs_min={jobs_min}")
    if missing := [index for index in indices if index not in element_time_s]:
        raise ValueError(f"elements without an expected time: {', '.join(map(str, missing[:5]))}")
    limit_s = math.inf if max_time_s is None else max_time_s
    jobs: list[tuple[int, ...]] = []
    first = 0
    while first < len(indices):
        share = math.ceil((len(indices) - first) / max(1, jobs_min - len(jobs)))
        last = first + 1
        time_s = start_s + element_time_s[indices[first]]
        while last < len(indices) and last - first < min(per_job, share):
            time_s += element_time_s[indices[last]]
            if time_s > limit_s:
                break
            last += 1
        jobs.append(tuple(indices[first:last]))
        first = last
    return tuple(jobs)


def array_time_s(
    jobs: Iterable[Sequence[int]],
    element_time_s: Mapping[int, float],
    start_s: float,
    max_time_s: float | None,
    step_s: int = 60,
) -> int:
    """Return the time limit that suits all jobs of an array, in seconds: that of the longest.

    Parameters
    ----------
    jobs, element_time_s, start_s
        As `chunk` returns and takes them.
    max_time_s : float or None
        The limit is never above this.
    step_s : int
        It is rounded up to a multiple of this; SLURM counts minutes.
    """
    longest_s = max(start_s + sum(element_time_s[index] for index in job) for job in jobs)
    time_s = max(1, math.ceil(longest_s / step_s)) * step_s
    return time_s if max_time_s is None else max(1, min(time_s, math.floor(max_time_s)))


@dataclass(slots=True)
class JobTimes:
    """What the jobs of a task are expected to take, and what they may take; all in seconds."""

    element_s: dict[int, float]
    """How long each element is expected to take at the most; grows when a job was too short for it."""
    start_s: float
    """What the start of a job takes."""
    planned_max_s: float
    """No job of several elements is planned longer."""
    place_max_s: float | None = None
    """No job may be longer where it runs; None for no limit."""
    step_s: int = 1
    """Time limits are multiples of this."""

    def jobs(
        self, indices: Sequence[int], per_job: int, *, max_s: float | None = None, jobs_min: int = 1
    ) -> tuple[tuple[tuple[int, ...], ...], int]:
        """Cut elements into jobs; return the elements of each, and the time limit that suits all.

        Parameters
        ----------
        indices, per_job, jobs_min
            As `chunk` takes them.
        max_s : float, optional
            The longest job, if the place allows it; `planned_max_s` if not given.
        """
        max_s = self.planned_max_s if max_s is None else max_s
        max_s = max_s if self.place_max_s is None else min(max_s, self.place_max_s)
        jobs = chunk(indices, self.element_s, self.start_s, max_s, per_job, jobs_min)
        return jobs, array_time_s(jobs, self.element_s, self.start_s, max_s, self.step_s)
