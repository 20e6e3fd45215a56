"""The nights of a year at a glance, and the time that was lost to each cause."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.nights import night_overview
from stereo_tasks.nights import FIRST_NIGHT, Night
from stereo_tasks.settings import Settings
from stereo_tasks.status.collecting import newest_night
from stereo_tasks.status.judging import judge
from stereo_tasks.status.state import NightState, SourceStatus

_WORST_FIRST = (
    NightState.FAILED, NightState.HELD, NightState.WAITING, NightState.RUNNING, NightState.REQUESTED, NightState.READY,
    NightState.PARTIAL, NightState.UPCOMING, NightState.NOT_ASKED, NightState.DONE, NightState.NOT_TAKEN,
    NightState.NOTHING,
)  # fmt: skip


class Cause(StrEnum):
    """Where the observed time went. The order of the members is the order of the table."""

    PROCESSED = "processed"
    LOST_INSIDE = "lost inside of processed nights"
    """Observed, and in no good time: lost subruns, or telescopes that stood still."""
    WEATHER = "weather, as the log says"
    NOT_TAKEN = "not taken, by the policy"
    FILES = "files missing"
    HELD = "held"
    FAILED = "failed"
    NOT_YET = "not yet"


_OF_STATES = {
    NightState.WAITING: Cause.FILES,
    NightState.HELD: Cause.HELD,
    NightState.FAILED: Cause.FAILED,
    NightState.NOT_TAKEN: Cause.NOT_TAKEN,
}
_WEATHER = re.compile(r"weather|cloud|rain|humid|wind|storm|snow|\bice\b|\bicing\b|calima|dust|\bfog", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Day:
    """A night of the calendar."""

    night: Night
    state: NightState
    """The worst of its sources."""
    sources: tuple[str, ...]
    """Each with its state, in words."""


@dataclass(frozen=True, slots=True)
class Year:
    """The nights of a year of which anything is known."""

    year: int
    production: str
    days: dict[dt.date, Day]
    """By evening date."""
    hours: dict[Cause, float]
    """Observed time that went there, in h; only causes that there are."""
    sources: tuple[str, ...]
    """All of the year, whatever source was asked for."""
    totals: dict[NightState, int]
    """Nights of each state."""


def year_of(
    catalog: Catalog,
    settings: Settings,
    year: int,
    *,
    production: str | None = None,
    source: str | None = None,
    now: dt.datetime | None = None,
) -> Year:
    """Return a year of nights.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        Configuration of the site.
    year : int
        Of the evening dates.
    production : str, optional
        Name of the production; the default one by default.
    source : str, optional
        Only this source.
    now : datetime.datetime, optional
        The time, with its zone.

    Raises
    ------
    BadNightError
        If no night of the year can be.
    """
    now = now or dt.datetime.now(dt.UTC)
    name = settings.production(production).name
    first = Night(f"{year:04d}-01-01") if year != FIRST_NIGHT.year else Night(FIRST_NIGHT)
    rows = night_overview(catalog, name, first, Night(dt.date(year, 12, 31)), brief=True, now=now)
    detected = name in (settings.policy.detect_productions or (settings.productions.default,))
    found = judge(rows, settings.policy, now, detected=detected, waits_h=settings.alarms.waits_h)
    wanted = [status for status in found if not source or status.source == source]
    days = _days(wanted)
    totals = {state: sum(day.state == state for day in days.values()) for state in NightState}
    return Year(
        year, name, days, _hours(wanted), tuple(sorted({status.source for status in found if status.source})),
        {state: number for state, number in totals.items() if number},
    )  # fmt: skip


def newest_year(now: dt.datetime) -> int:
    """Return the year of the newest night."""
    return newest_night(now).evening.year


def _days(found: Iterable[SourceStatus]) -> dict[dt.date, Day]:
    nights: defaultdict[Night, list[SourceStatus]] = defaultdict(list)
    for status in found:
        nights[status.night].append(status)
    return {
        night.evening: Day(
            night,
            min((status.state for status in of_night), key=_WORST_FIRST.index),
            tuple(f"{status.source} {status.state}".strip() for status in of_night),
        )
        for night, of_night in nights.items()
    }


def _hours(found: Iterable[SourceStatus]) -> dict[Cause, float]:
    hours: defaultdict[Cause, float] = defaultdict(float)
    for status in found:
        observed_h = _observed_h(status)
        if status.state in (NightState.DONE, NightState.PARTIAL):
            good_h = _good_h(status)
            hours[Cause.PROCESSED] += observed_h if good_h is None else good_h
            if good_h is not None:
                hours[Cause.LOST_INSIDE] += max(observed_h - good_h, 0.0)
        else:
            hours[_cause(status)] += observed_h
    return {cause: hours[cause] for cause in Cause if hours[cause] > 0}


def _cause(status: SourceStatus) -> Cause:
    observed = status.row.observed
    said = f"{observed.notes} {status.reason if status.by_person else ''}" if observed else ""
    if status.state in _OF_STATES and _WEATHER.search(said):
        return Cause.WEATHER
    return _OF_STATES.get(status.state, Cause.NOT_YET)


def _observed_h(status: SourceStatus) -> float:
    observed = status.row.observed
    # Time at the same wobble position is what can be analysed together; the sheet has not always filled it in.
    return (observed.same_wobble_min or observed.observation_min) / 60 if observed else 0.0


def _good_h(status: SourceStatus) -> float | None:
    on_time_s = status.row.quality.metrics.get("on_time_s") if status.row.quality else None
    return on_time_s / 3600 if isinstance(on_time_s, int | float) else None
