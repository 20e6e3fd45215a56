"""The states of a range of nights, from the catalog."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.known_nights import newest_known_nights
from stereo_tasks.catalog.models import ElementRecord
from stereo_tasks.catalog.nights import NightRow, night_overview
from stereo_tasks.nights import FIRST_NIGHT, Night
from stereo_tasks.settings import Settings
from stereo_tasks.stages import run_stages
from stereo_tasks.status.judging import judge
from stereo_tasks.status.state import NightState, SourceStatus

LAST_NIGHTS = 7


@dataclass(frozen=True, slots=True)
class StatusTable:
    """The states of a range of nights, by night and status."""

    production: str
    first: Night
    last: Night
    now: dt.datetime
    sources: tuple[SourceStatus, ...]

    @property
    def totals(self) -> dict[NightState, int]:
        """How many sources are in each state, in the order of the states."""
        counts = Counter(status.state for status in self.sources)
        return {state: counts[state] for state in NightState if counts[state]}

    @property
    def shown(self) -> tuple[SourceStatus, ...]:
        """What a person wants to see: nights that were asked for in vain only if there is nothing else."""
        kept = tuple(status for status in self.sources if status.state != NightState.NOTHING)
        return self.sources if self.first == self.last or not kept else kept

    @property
    def nights_without(self) -> int:
        """Nights of the range of which nothing is known: no row of the log, and nobody asked."""
        return (self.last.evening - self.first.evening).days + 1 - len({status.night for status in self.sources})


def newest_night(now: dt.datetime) -> Night:
    """Return the night that goes on, or that was the last."""
    moment = now.astimezone(dt.UTC)
    return Night(moment.date() - dt.timedelta(days=1 if moment.hour < 12 else 0))


def newest_known_night(catalog: Catalog, production: str, now: dt.datetime) -> Night | None:
    """Return the newest night that is not to come and of which anything is known; None without any."""
    nights = newest_known_nights(catalog, production, Night(FIRST_NIGHT), newest_night(now), number=1)
    return nights[0] if nights else None


def parse_range(text: str | None, now: dt.datetime) -> tuple[Night, Night]:
    """Return the first and the last night that a text means.

    Parameters
    ----------
    text : str or None
        ``2024-01-10``, ``2024-01-10..2024-01-20`` (either way round), ``2024-01-10..`` (until now); None: the last
        seven nights.
    now : datetime.datetime
        The time, with its zone.

    Raises
    ------
    BadNightError
        If it is no night.
    """
    newest = newest_night(now)
    if not text:
        return Night(newest.evening - dt.timedelta(days=LAST_NIGHTS - 1)), newest
    first, dots, last = text.partition("..")
    begin = Night(first)
    end = Night(last) if last else max(newest, begin) if dots else begin
    return (begin, end) if begin <= end else (end, begin)


def status_table(
    catalog: Catalog,
    first: Night,
    last: Night,
    *,
    settings: Settings,
    production: str | None = None,
    sources: Iterable[str] = (),
    states: Iterable[NightState] = (),
    only: Collection[Night] | None = None,
    now: dt.datetime | None = None,
) -> StatusTable:
    """Return the states of a range of nights. A handful of queries, however many nights there are.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    first, last : Night
        The range, both included.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production; the default one by default.
    sources, states : iterable, optional
        Only these.
    only : collection of Night, optional
        Only these nights, instead of all of the range.
    now : datetime.datetime, optional
        The time, with its zone.

    Raises
    ------
    CatalogError
        If the catalog cannot be used.
    SettingsError
        If there is no such production.
    """
    now = now or dt.datetime.now(dt.UTC)
    name = settings.production(production).name
    # All sources, even if few are asked for: those of a night wait for each other.
    rows = night_overview(catalog, name, first, last, only=only, now=now)
    detected = name in (settings.policy.detect_productions or (settings.productions.default,))
    reasons = _reasons(catalog, rows)
    waits_h = settings.alarms.waits_h
    found = judge(rows, settings.policy, now, detected=detected, waits_h=waits_h, reasons=reasons)
    wanted_sources, wanted_states = set(sources), set(states)
    kept = tuple(
        status
        for status in found
        if (not wanted_sources or status.source in wanted_sources)
        and (not wanted_states or status.state in wanted_states)
    )
    return StatusTable(name, first, last, now, kept)


def _reasons(catalog: Catalog, rows: Iterable[NightRow]) -> dict[tuple[str, str], str]:
    """Return of each plan with trouble the first reason of each state."""
    plans = {row.planned.path for row in rows if row.planned and _has_trouble(row)}
    if not plans:
        return {}
    statement = (
        select(ElementRecord.plan_path, ElementRecord.state, ElementRecord.element, ElementRecord.reason)
        .distinct(ElementRecord.plan_path, ElementRecord.state)
        .where(ElementRecord.plan_path.in_(plans), ElementRecord.state != "done")
        .where(ElementRecord.stage.in_(run_stages()))
        .order_by(ElementRecord.plan_path, ElementRecord.state, ElementRecord.element)
    )
    with catalog.transaction() as session:
        return {(row.plan_path, row.state): f"{row.element}: {row.reason}" for row in session.execute(statement)}


def _has_trouble(row: NightRow) -> bool:
    stages = row.planned.stages if row.planned else ()
    return any(stage.failed or stage.held or stage.skipped for stage in stages if stage.stage in run_stages())
