"""How far a backfill is: what Airflow has asked for, and what became of each night."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Request
from stereo_tasks.catalog.requests import requests_of
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings
from stereo_tasks.status.collecting import status_table
from stereo_tasks.status.state import NightState, SourceStatus


class Progress(StrEnum):
    """What became of a night of a backfill. The order of the members is the order of the report."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    HELD = "held"
    WAITING = "waiting"
    NOTHING = "nothing"
    """Nothing to process: no joint observation, or the policy leaves it out."""
    DRY_RUN = "dry run"
    RUNNING = "running"
    REQUESTED = "requested"
    """Its run has not begun."""
    TO_ASK = "to ask"
    """Airflow has not come to it."""
    LEFT_OUT = "left out"
    """Airflow was asking for it already, for somebody else."""


REMAINING = (Progress.RUNNING, Progress.REQUESTED, Progress.TO_ASK)
"""What still goes on."""
_OF_STATES = {
    # The worst of its sources says what a night is.
    NightState.RUNNING: Progress.RUNNING,
    NightState.REQUESTED: Progress.REQUESTED,
    NightState.FAILED: Progress.FAILED,
    NightState.HELD: Progress.HELD,
    NightState.WAITING: Progress.WAITING,
    NightState.READY: Progress.WAITING,
    NightState.UPCOMING: Progress.WAITING,
    NightState.PARTIAL: Progress.PARTIAL,
    NightState.DONE: Progress.DONE,
}


@dataclass(frozen=True, slots=True)
class Asking:
    """What Airflow knows of a night of a backfill."""

    run: str
    """Id of the run that asks; the answer in the catalog bears it."""
    ended: bool
    """Whether the night has been asked for."""
    failed: bool


@dataclass(frozen=True, slots=True)
class NightProgress:
    """A night of a backfill."""

    night: Night
    progress: Progress
    reason: str
    ended_utc: dt.datetime | None
    """When its run ended."""


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """A whole backfill."""

    nights: tuple[NightProgress, ...]
    begun_utc: dt.datetime
    now: dt.datetime

    @property
    def totals(self) -> dict[Progress, int]:
        """How many nights are where, in the order of the report."""
        counts = Counter(night.progress for night in self.nights)
        return {progress: counts[progress] for progress in Progress if counts[progress]}

    @property
    def remaining(self) -> int:
        """Nights that are not at an end."""
        return sum(night.progress in REMAINING for night in self.nights)

    @property
    def nights_per_hour(self) -> float | None:
        """Nights that came to an end per hour; None before the first."""
        ended = len(self.nights) - self.remaining
        hours = (self.now - self.begun_utc).total_seconds() / 3600
        return ended / hours if ended and hours > 0 else None

    @property
    def expected_end(self) -> dt.datetime | None:
        """When it ends if it goes on as it did.

        Nights with a run take hours and others a second: if some are left that have one, only such nights count.
        """
        if not self.remaining:
            return None
        runs = [night.ended_utc for night in self.nights if night.ended_utc and night.progress not in REMAINING]
        unfinished = sum(night.progress in (Progress.RUNNING, Progress.REQUESTED) for night in self.nights)
        to_ask = self.remaining - unfinished
        # Of those that are still to ask, as many will have a run as of those that were asked for.
        asked = len(self.nights) - to_ask
        with_run = unfinished + to_ask * (len(runs) + unfinished) / asked if asked else 0.0
        if not runs:
            return None
        elapsed = max((self.now - self.begun_utc).total_seconds(), 1.0)
        return self.now + dt.timedelta(seconds=elapsed * with_run / len(runs))


def backfill_progress(
    catalog: Catalog,
    nights: Sequence[Night],
    asked: Mapping[Night, Asking],
    begun_utc: dt.datetime,
    *,
    settings: Settings,
    production: str | None = None,
    sources: Iterable[str] = (),
    now: dt.datetime | None = None,
) -> BackfillProgress:
    """Join what Airflow knows of a backfill with what the catalog knows of its nights.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    nights : sequence of Night
        All of the range, in order.
    asked : mapping
        What Airflow knows; a night that it left out is missing.
    begun_utc : datetime.datetime
        When the backfill was started.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production; the default one by default.
    sources : iterable of str, optional
        Those that were asked for; all by default.
    now : datetime.datetime, optional
        The time, with its zone.
    """
    now = now or dt.datetime.now(dt.UTC)
    first, last = nights[0], nights[-1]
    table = status_table(catalog, first, last, settings=settings, production=production, sources=sources, now=now)
    states: dict[Night, list[SourceStatus]] = {}
    for status in table.sources:
        states.setdefault(status.night, []).append(status)
    runs = {night: asking.run for night, asking in asked.items()}
    # They come oldest first: of a run that was cleared the last answer counts.
    answers = {
        Night(answer.night): answer
        for answer in requests_of(catalog, table.production, first, last)
        if runs.get(Night(answer.night)) == answer.backfill
    }
    found = (_night(night, asked.get(night), answers.get(night), states.get(night, ())) for night in nights)
    return BackfillProgress(tuple(found), begun_utc, now)


def _night(night: Night, asked: Asking | None, answer: Request | None, states: Sequence[SourceStatus]) -> NightProgress:
    if asked is None and answer is None:
        return NightProgress(night, Progress.LEFT_OUT, "it was being asked for already", None)
    if answer is None:
        if asked is not None and asked.failed:
            return NightProgress(night, Progress.FAILED, "its run of request_nights failed: see its log", None)
        if asked is not None and not asked.ended:
            return NightProgress(night, Progress.TO_ASK, "", None)
    elif answer.outcome == "dry run":
        return NightProgress(night, Progress.DRY_RUN, answer.reason, None)
    elif answer.outcome in ("nothing", "refused"):
        return NightProgress(night, Progress.NOTHING, answer.reason, None)
    return _processed(night, answer, states)


def _processed(night: Night, answer: Request | None, states: Sequence[SourceStatus]) -> NightProgress:
    for state, progress in _OF_STATES.items():
        of_state = [status for status in states if status.state == state]
        if of_state:
            run = of_state[0].row.run
            ended = run.ended_utc if run and answer and run.started_utc >= answer.requested_utc else None
            reason = " | ".join(
                f"{status.source}: {status.reason}" if status.source else status.reason
                for status in of_state
                if status.reason
            )
            return NightProgress(night, progress, reason, None if progress in REMAINING else ended)
    reason = "; ".join(f"{status.source}: {status.reason}" for status in states) or "no joint observation in the log"
    return NightProgress(night, Progress.NOTHING, reason, None)
