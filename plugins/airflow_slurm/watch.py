"""Watching arrays: what is said while they run, and what ends the wait. For tasks and for the triggerer alike."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from airflow_slurm.array import ArrayHandle, ArraySpec, JobState, JobStatus

LOG_INTERVAL_S = 5.0


class Event(StrEnum):
    """What ends the wait."""

    ENDED = "ended"
    STUCK = "stuck"
    """What is left waits for something that will not come by itself, and has done so for long enough."""
    TIMEOUT = "timeout"
    LOOK = "look"
    """The watching failed: somebody else has to look."""


class Log(Protocol):
    """What of a logger is needed."""

    def info(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Say something."""

    def warning(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Say that something is wrong."""

    def error(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Say that something has failed."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An array, as far as it matters for watching."""

    handle: ArrayHandle
    elements: tuple[int, ...]
    """How many elements each job works on."""

    @classmethod
    def of(cls, spec: ArraySpec, handle: ArrayHandle) -> Watched:
        """Return an array that was submitted."""
        return cls(handle, tuple(map(len, spec.jobs)))


@dataclass(slots=True)
class Watcher:
    """Looks at the states of arrays again and again, says what changes, and tells when the wait is over."""

    what: str
    """What the log calls it."""
    arrays: Sequence[Watched]
    log: Log
    stuck_after_s: float | None = None
    """How long jobs may be stuck while nothing else runs; None for ever."""
    stuck_since_utc: dt.datetime | None = None
    deadline_utc: dt.datetime | None = None
    _shown: str = ""
    _shown_utc: dt.datetime | None = None
    _stuck_shown: frozenset[str] = frozenset()

    def see(self, states: Mapping[str, Mapping[int, JobStatus]], now: dt.datetime | None = None) -> Event | None:
        """Look at the states of all arrays, by token and job number.

        Returns
        -------
        Event or None
            What ends the wait; None while it goes on.
        """
        now = now or dt.datetime.now(dt.UTC)
        counts: Counter[JobState] = Counter()
        stuck: dict[str, list[str]] = {}
        waiting: Counter[str] = Counter()
        going = 0
        for array in self.arrays:
            for job, status in states[array.handle.token].items():
                counts[status.state] += array.elements[job]
                if status.stuck:
                    stuck.setdefault(status.reason or "no reason given", []).append(status.job_id or "?")
                elif not status.state.final:
                    going += 1
                    waiting[status.reason if status.state == JobState.PENDING else ""] += 1
        over = all(state.final for state in counts)
        # Where something runs, the rest waits for that.
        why = "" if "" in waiting or not waiting else f" ({waiting.most_common(1)[0][0]})"
        self._say(progress(counts) + why, stuck, now, over=over)
        if over:
            return Event.ENDED
        if self.is_late(now):
            return Event.TIMEOUT
        self.stuck_since_utc = (self.stuck_since_utc or now) if stuck and not going else None
        if self.stuck_since_utc is None or self.stuck_after_s is None:
            return None
        return Event.STUCK if (now - self.stuck_since_utc).total_seconds() >= self.stuck_after_s else None

    def is_late(self, now: dt.datetime | None = None) -> bool:
        """Tell whether the deadline has passed."""
        return self.deadline_utc is not None and (now or dt.datetime.now(dt.UTC)) >= self.deadline_utc

    def _say(self, text: str, stuck: Mapping[str, Sequence[str]], now: dt.datetime, *, over: bool) -> None:
        # Short jobs end many times a second: a line for each would hide the rest.
        quiet_s = (now - self._shown_utc).total_seconds() if self._shown_utc else LOG_INTERVAL_S
        if text and text != self._shown and (over or quiet_s >= LOG_INTERVAL_S):
            self.log.info("%s: %s", self.what, text)
            self._shown, self._shown_utc = text, now
        for reason, jobs in stuck.items():
            if reason not in self._stuck_shown:
                some = ", ".join(jobs[:3]) + (", ..." if len(jobs) > 3 else "")
                self.log.warning(
                    "%s: %d jobs will not start by themselves (%s): %s", self.what, len(jobs), some, reason
                )
        self._stuck_shown = frozenset(stuck)


def progress(counts: Mapping[JobState, int]) -> str:
    """Say how many elements are in which state: those that have ended first."""
    order = sorted(counts, key=lambda state: (not state.final, state == JobState.PENDING, state))
    return ", ".join(f"{counts[state]} {state.lower().replace('_', ' ')}" for state in order)


def describe_job(spec: ArraySpec, job: int, status: JobStatus) -> dict[str, Any]:
    """Return all that is known of a job as plain values, for a catalog; times with time zone, seconds, MB."""
    return {
        "token": spec.token,
        "job": job,
        "job_id": status.job_id,
        "attempt": spec.attempt,
        "elements": list(spec.jobs[job]),
        "state": str(status.state),
        "exit_code": status.exit_code,
        "signal": status.signal,
        "reason": status.reason,
        "node": status.node,
        "submitted_utc": status.submitted_utc,
        "started_utc": status.started_utc,
        "ended_utc": status.ended_utc,
        "elapsed_s": _seconds(status.started_utc, status.ended_utc),
        "queue_wait_s": _seconds(status.submitted_utc, status.started_utc),
        "max_rss_mb": status.max_rss_mb,
        "restarts": status.restarts,
        "memory_mb": spec.memory_mb,
        "time_s": spec.time_s,
    }


def _seconds(begin: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None
