"""The queries behind the overview: one a table, each for a whole range of nights."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Select, func, or_, select, union

from stereo_tasks.catalog.models import (
    Dispatch,
    ElementRecord,
    HoldRow,
    NightLock,
    ObservationRow,
    PlanRow,
    ProcessingRun,
    Publication,
    QaRow,
    ReadinessRow,
    Request,
)
from stereo_tasks.stages.night import DL3

_Query: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Range:
    """Nights of a production, and one source or all."""

    production: str
    first: dt.date
    last: dt.date
    source: str | None = None
    nights: tuple[dt.date, ...] | None = None
    """Only these of them; None: all."""
    brief: bool = False
    """Only what the states of the nights are judged by."""

    def of(self, statement: _Query, table: Any) -> _Query:
        """Restrict a query to the nights and the production."""
        if self.nights is None:
            statement = statement.where(table.night.between(self.first, self.last))
        else:
            statement = statement.where(table.night.in_(self.nights))
        return statement.where(table.production == self.production) if hasattr(table, "production") else statement

    def of_source(self, statement: _Query, table: Any) -> _Query:
        """Restrict a query to the nights, the production and the source."""
        statement = self.of(statement, table)
        return statement if self.source is None else statement.where(table.source == self.source)


def _columns(table: Any) -> _Query:
    # Plain rows: objects of the mapper would take several times as long.
    return select(*table.__table__.columns)


def observations(asked: Range) -> _Query:
    """Select rows of the stereo log."""
    return asked.of_source(_columns(ObservationRow), ObservationRow)


def readiness(asked: Range) -> _Query:
    """Select what was there of each observation when its files were last looked at."""
    return asked.of_source(_columns(ReadinessRow), ReadinessRow)


def latest_plans(asked: Range) -> _Query:
    """Select of each night and source the plan that was read in last."""
    return asked.of_source(_columns(PlanRow).distinct(PlanRow.night, PlanRow.source), PlanRow).order_by(
        PlanRow.night, PlanRow.source, PlanRow.ingested_utc.desc()
    )


def element_states(asked: Range) -> _Query:
    """Count elements and losses by plan, stage and state.

    Where `asked` is brief, only DL3 and what is not done are counted: of all others a year has too many.
    """
    statement = select(
        ElementRecord.plan_path,
        ElementRecord.stage,
        ElementRecord.state,
        func.count().label("elements"),
        func.count().filter(ElementRecord.state == "done", func.jsonb_array_length(ElementRecord.lost) > 0)
        .label("losses"),
    )  # fmt: skip
    if asked.brief:
        statement = statement.where(or_(ElementRecord.state != "done", ElementRecord.stage == DL3.name))
    return asked.of_source(statement, ElementRecord).group_by(
        ElementRecord.plan_path, ElementRecord.stage, ElementRecord.state
    )


def published(asked: Range) -> _Query:
    """Select of each night and source the latest publication."""
    return asked.of_source(_columns(Publication).distinct(Publication.night, Publication.source), Publication).order_by(
        Publication.night, Publication.source, Publication.published_utc.desc()
    )


def quality(asked: Range) -> _Query:
    """Select the verdicts of the QA pages."""
    return asked.of_source(_columns(QaRow), QaRow)


def latest_dispatches(asked: Range) -> _Query:
    """Select of each night the latest request."""
    return asked.of(_columns(Dispatch).distinct(Dispatch.night), Dispatch).order_by(
        Dispatch.night, Dispatch.dispatched_utc.desc()
    )


def latest_requests(asked: Range) -> _Query:
    """Select of each night the latest ask; dry runs changed nothing and do not count."""
    statement = _columns(Request).distinct(Request.night).where(Request.outcome != "dry run")
    return asked.of(statement, Request).order_by(Request.night, Request.requested_utc.desc(), Request.id.desc())


def latest_processing_runs(asked: Range) -> _Query:
    """Select of each night the latest run; one that was locked out counts only if there is no other."""
    return asked.of(_columns(ProcessingRun).distinct(ProcessingRun.night), ProcessingRun).order_by(
        ProcessingRun.night, ProcessingRun.state.in_(("locked", "taken")), ProcessingRun.started_utc.desc()
    )


def locks(asked: Range) -> _Query:
    """Select the locks that are held."""
    return asked.of(_columns(NightLock), NightLock)


def open_holds(asked: Range, now: dt.datetime | None = None) -> _Query:
    """Select the holds that nobody released and whose end is not reached."""
    moment = now or func.clock_timestamp()
    statement = asked.of(_columns(HoldRow), HoldRow).where(
        HoldRow.released_utc.is_(None), or_(HoldRow.until_utc.is_(None), HoldRow.until_utc > moment)
    )
    if asked.source is not None:
        statement = statement.where(HoldRow.source.in_(("", asked.source)))
    return statement.order_by(HoldRow.held_utc)


_OF_NIGHTS = (Dispatch, Request, ProcessingRun, NightLock)
_OF_SOURCES = (ObservationRow, ReadinessRow, PlanRow, Publication, QaRow, HoldRow)


def known(asked: Range, number: int, *, oldest: bool = False) -> _Query:
    """Select the newest (or oldest) nights of a range of which anything is known; of a source, if one is asked for."""
    tables = _OF_SOURCES if asked.source is not None else (*_OF_SOURCES, *_OF_NIGHTS)
    found = []
    for table in tables:
        of_table = asked.of_source if table in _OF_SOURCES else asked.of
        order = table.night if oldest else table.night.desc()
        first = of_table(select(table.night), table).distinct().order_by(order).limit(number).subquery()
        found.append(select(first.c.night))
    nights = union(*found).subquery()
    return select(nights.c.night).order_by(nights.c.night if oldest else nights.c.night.desc()).limit(number)
