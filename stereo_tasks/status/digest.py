"""The morning digest: what became of the last night, and of others that were worked on since yesterday."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ElementRecord, ProcessingRun, Publication, QaRow, ReadinessRow, RunVerdict
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings
from stereo_tasks.settings.alarms import Flare
from stereo_tasks.status.alarms import find_alarms
from stereo_tasks.status.collecting import status_table
from stereo_tasks.status.disks import Disk, disks
from stereo_tasks.status.grouping import AlarmLine, alarm_lines
from stereo_tasks.status.state import NightState, SourceStatus

WINDOW = dt.timedelta(days=1)
NIGHTS_AT_MOST = 40
"""A backfill of years must not make a message of pages; how many there were besides is said."""
_FLUX = ("flux_per_tev_cm2_s", "flux_error_per_tev_cm2_s")


@dataclass(frozen=True, slots=True)
class Flux:
    """The differential flux of a source in a night, beside what it usually is."""

    value_per_tev_cm2_s: float
    error_per_tev_cm2_s: float
    """Statistical."""
    at_tev: float
    usual_per_tev_cm2_s: float | None
    """Median of its other nights; None where there are too few."""
    flares: bool
    """Whether it is far above that, by `stereo_tasks.settings.alarms.Flare`."""


@dataclass(frozen=True, slots=True)
class SourceDigest:
    """What became of a source of a night."""

    status: SourceStatus
    significance_sigma: float | None
    flux: Flux | None
    live_time_s: float
    lost_time_s: float
    """Time in which LST-1 observed, and that is no ON time."""
    latency_s: float | None
    """From the last change of its files to what users read; None if one of them is not there."""
    cpu_s: float
    """Of its products as they are now."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a person wants to know in the morning."""

    site: str
    production: str
    now: dt.datetime
    last_night: Night
    sources: tuple[SourceDigest, ...]
    """Of the last night, then of others that were worked on since yesterday, the latest first."""
    not_shown: int
    """Other nights that were worked on, too."""
    alarms: tuple[AlarmLine, ...]
    disks: tuple[Disk, ...]

    def of(self, *states: NightState) -> tuple[SourceDigest, ...]:
        """Return the sources in some states."""
        return tuple(source for source in self.sources if source.status.state in states)

    @property
    def subject(self) -> str:
        """What became of the last night, and what needs care, in one line."""
        last = [source.status.state for source in self.sources if source.status.night == self.last_night]
        words = [f"{last.count(state)} {state}" for state in dict.fromkeys(last)] or ["no joint observation"]
        flares = sorted({source.status.source for source in self.sources if source.flux and source.flux.flares})
        if flares:
            words.append(f"{', '.join(flares)} bright")
        if self.alarms:
            words.append(f"{len(self.alarms)} alarm{'s' * (len(self.alarms) > 1)}")
        return f"{self.last_night}: {', '.join(words)}"


def morning_digest(
    catalog: Catalog,
    settings: Settings,
    *,
    production: str | None = None,
    most_nights: int | None = None,
    now: dt.datetime | None = None,
) -> Digest:
    """Return what became of the last night, and of those that were worked on within a day.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production; the default one by default.
    most_nights : int, optional
        Look for alarms in so many nights, the newest; all by default. See `find_alarms`.
    now : datetime.datetime, optional
        The time, with its zone.
    """
    now = now or dt.datetime.now(dt.UTC)
    name, last = settings.production(production).name, Night(now.astimezone(dt.UTC).date() - dt.timedelta(days=1))
    with catalog.transaction() as session:
        worked_on = _worked_on(session, name, now - WINDOW) - {last}
        nights = [last, *sorted(worked_on, reverse=True)]
        shown = nights[:NIGHTS_AT_MOST]
        numbers = _numbers(session, name, [night.evening for night in shown])
        usual = _fluxes(session, name, {source for _, source in numbers.quality})
    table = status_table(catalog, min(shown), max(shown), settings=settings, production=name, only=shown, now=now)
    statuses = sorted(table.sources, key=lambda status: shown.index(status.night))
    return Digest(
        site=settings.site.name,
        production=name,
        now=now,
        last_night=last,
        sources=tuple(
            _source(status, numbers, usual, settings.alarms.flare)
            for status in statuses
            if status.state not in (NightState.NOTHING, NightState.NOT_TAKEN, NightState.UPCOMING)
        ),
        not_shown=len(nights) - len(shown),
        alarms=tuple(alarm_lines(find_alarms(catalog, settings, production=name, most_nights=most_nights, now=now))),
        disks=tuple(disks(settings)),
    )


_Key = tuple[dt.date, str]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What the catalog knows of some nights, by evening and source."""

    quality: Mapping[_Key, Mapping[str, Any]]
    lost_s: Mapping[_Key, float]
    latency_s: Mapping[_Key, float]
    cpu_s: Mapping[_Key, float]


def _worked_on(session: Session, production: str, since: dt.datetime) -> set[Night]:
    """Return the nights of which a run ended or something was published since then."""
    found: set[dt.date] = set()
    for night, production_of, time in (
        (ProcessingRun.night, ProcessingRun.production, ProcessingRun.ended_utc),
        (Publication.night, Publication.production, Publication.published_utc),
    ):
        found.update(session.scalars(select(night).where(production_of == production, time >= since)))
    return {Night(evening) for evening in found}


def _numbers(session: Session, production: str, evenings: Sequence[dt.date]) -> _Numbers:
    def rows(table: Any, *columns: Any) -> Iterable[Any]:
        asked = select(table.night, table.source, *columns).where(
            table.production == production, table.night.in_(evenings)
        )
        return session.execute(asked)

    lost: dict[_Key, float] = {}
    for night, source, metrics, superseded in rows(RunVerdict, RunVerdict.metrics, RunVerdict.superseded_utc):
        if superseded is None:
            lost[night, source] = lost.get((night, source), 0.0) + float(
                (metrics.get("lost_time_s") or {}).get("value") or 0.0
            )
    complete = {row[:2]: row[2] for row in rows(ReadinessRow, ReadinessRow.files_changed_utc)}
    published: dict[_Key, dt.datetime] = {}
    for night, source, time in rows(Publication, Publication.published_utc):
        published[night, source] = min(time, published.get((night, source), time))
    cpu = (
        select(ElementRecord.night, ElementRecord.source, func.sum(ElementRecord.cpu_s))
        .where(ElementRecord.production == production, ElementRecord.night.in_(evenings))
        .group_by(ElementRecord.night, ElementRecord.source)
    )
    return _Numbers(
        quality={row[:2]: row[2] for row in rows(QaRow, QaRow.metrics)},
        lost_s=lost,
        latency_s={
            key: (published[key] - time).total_seconds() for key, time in complete.items() if time and key in published
        },
        cpu_s={(night, source): float(sum_s) for night, source, sum_s in session.execute(cpu) if night},
    )


def _fluxes(session: Session, production: str, sources: Iterable[str]) -> dict[str, dict[dt.date, float]]:
    """Return the fluxes of sources in all of their nights."""
    asked = select(QaRow.source, QaRow.night, QaRow.metrics[_FLUX[0]]).where(
        QaRow.production == production, QaRow.source.in_(list(sources))
    )
    found: dict[str, dict[dt.date, float]] = {}
    for source, night, flux in session.execute(asked):
        if isinstance(flux, int | float):
            found.setdefault(source, {})[night] = float(flux)
    return found


def _source(
    status: SourceStatus, numbers: _Numbers, fluxes: Mapping[str, Mapping[dt.date, float]], flare: Flare
) -> SourceDigest:
    key = status.night.evening, status.source
    metrics = numbers.quality.get(key, {})
    others = [flux for night, flux in fluxes.get(status.source, {}).items() if night != key[0]]
    return SourceDigest(
        status=status,
        significance_sigma=metrics.get("significance_sigma"),
        flux=_flux(metrics, others, flare),
        live_time_s=float(metrics.get("live_time_s") or 0.0),
        lost_time_s=numbers.lost_s.get(key, 0.0),
        latency_s=numbers.latency_s.get(key),
        cpu_s=numbers.cpu_s.get(key, 0.0),
    )


def _flux(metrics: Mapping[str, Any], others: Sequence[float], flare: Flare) -> Flux | None:
    value, error = (metrics.get(name) for name in _FLUX)
    if value is None or error is None:
        return None
    usual = statistics.median(others) if len(others) >= flare.nights_min else None
    return Flux(
        value_per_tev_cm2_s=value,
        error_per_tev_cm2_s=error,
        at_tev=float(metrics["flux_reference_tev"]),
        usual_per_tev_cm2_s=usual,
        flares=usual is not None and value > flare.factor * usual and value - usual > flare.sigma * error,
    )
