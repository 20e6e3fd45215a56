"""Everything that is known of a night, in the order in which it happened."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.jobs import jobs_of
from stereo_tasks.catalog.models import (
    Dispatch,
    HoldRow,
    JobRow,
    ObservationChange,
    ObservationRow,
    ProcessingRun,
    Publication,
    Request,
    TelescopeRun,
)
from stereo_tasks.catalog.records import SourceSummary, night_summary
from stereo_tasks.catalog.requests import requests_of
from stereo_tasks.catalog.sign_offs import SignOff, sign_offs
from stereo_tasks.catalog.telescope_runs import telescope_runs_of
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings
from stereo_tasks.status.collecting import status_table
from stereo_tasks.status.runs import RunRow, list_runs
from stereo_tasks.status.state import SourceStatus

GOOD_JOB = "COMPLETED"


@dataclass(frozen=True, slots=True)
class LogChange:
    """A change of a row of the stereo log, in words."""

    at_utc: dt.datetime
    source: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class StageJobs:
    """The jobs of a stage of a source."""

    source: str
    stage: str
    states: dict[str, int]
    queue_wait_s: float
    """The longest."""
    elapsed_s: float
    """Of all together."""
    max_rss_mb: float | None


@dataclass(frozen=True, slots=True)
class NightReport:
    """A night of a production."""

    night: Night
    production: str
    sources: tuple[SourceStatus, ...]
    observations: tuple[ObservationRow, ...]
    changes: tuple[LogChange, ...]
    files: tuple[TelescopeRun, ...]
    """Runs of the telescopes that are on disk."""
    dispatches: tuple[Dispatch, ...]
    requests: tuple[Request, ...]
    runs: tuple[ProcessingRun, ...]
    summaries: tuple[SourceSummary, ...]
    """Elements of the latest plans, with those in trouble."""
    jobs: tuple[StageJobs, ...]
    bad_jobs: tuple[JobRow, ...]
    publications: tuple[Publication, ...]
    holds: tuple[HoldRow, ...]
    """Released ones, too."""
    verdicts: tuple[RunRow, ...]
    """What QA, or a person, says of each run."""
    sign_off: SignOff | None


def night_report(
    catalog: Catalog,
    night: Night,
    *,
    settings: Settings,
    production: str | None = None,
    now: dt.datetime | None = None,
) -> NightReport:
    """Return everything that is known of a night.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production; the default one by default.
    now : datetime.datetime, optional
        The time, with its zone.
    """
    table = status_table(catalog, night, night, settings=settings, production=production, now=now)
    name, jobs = table.production, jobs_of(catalog, night, table.production)
    verdicts, signed = list_runs(catalog, name, first=night, last=night), sign_offs(catalog, name, night, night)

    with catalog.transaction() as session:

        def rows(model: Any, order: Any) -> tuple[Any, ...]:
            statement = select(model).where(model.night == night.evening).order_by(order)
            if hasattr(model, "production"):
                statement = statement.where(model.production == name)
            return tuple(session.scalars(statement))

        changes = rows(ObservationChange, ObservationChange.id)
        return NightReport(
            night=night,
            production=name,
            sources=table.sources,
            observations=rows(ObservationRow, ObservationRow.source),
            changes=tuple(LogChange(row.at_utc, row.source, row.kind, _difference(row)) for row in changes),
            files=telescope_runs_of(catalog, night, night),
            dispatches=rows(Dispatch, Dispatch.dispatched_utc),
            requests=requests_of(catalog, name, night, night),
            runs=rows(ProcessingRun, ProcessingRun.started_utc),
            summaries=night_summary(catalog, night, name),
            jobs=tuple(_by_stage(jobs)),
            bad_jobs=tuple(row for row in jobs if row.state != GOOD_JOB),
            publications=rows(Publication, Publication.published_utc),
            holds=rows(HoldRow, HoldRow.held_utc),
            verdicts=tuple(verdicts),
            sign_off=signed.get(night),
        )


def _difference(change: ObservationChange) -> str:
    """Say in words what a row of the log said before and says now."""
    before, after = change.before or {}, change.after or {}
    if not before or not after:
        return ""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return "; ".join(f"{key}: {_said(before.get(key))} became {_said(after.get(key))}" for key in keys)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value) if value not in (None, "") else "nothing"


def _by_stage(jobs: Iterable[JobRow]) -> Iterator[StageJobs]:
    groups: dict[tuple[str, str], list[JobRow]] = {}
    for job in jobs:
        groups.setdefault((job.source, job.stage), []).append(job)
    for (source, stage), found in groups.items():
        memory = [job.max_rss_mb for job in found if job.max_rss_mb is not None]
        yield StageJobs(
            source=source,
            stage=stage,
            states=dict(Counter(job.state for job in found)),
            queue_wait_s=max((job.queue_wait_s or 0 for job in found), default=0),
            elapsed_s=sum(job.elapsed_s or 0 for job in found),
            max_rss_mb=max(memory, default=None),
        )
