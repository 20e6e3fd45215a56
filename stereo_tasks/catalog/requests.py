"""Nights that people asked for, and what was answered."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Request
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

REQUESTED, NOTHING, WAITING, REFUSED, DRY_RUN = "requested", "nothing", "waiting", "refused", "dry run"
OUTCOMES = (REQUESTED, NOTHING, WAITING, REFUSED, DRY_RUN)


def note_request(
    catalog: Catalog,
    night: Night,
    production: str,
    outcome: str,
    reason: str = "",
    *,
    backfill: str = "",
    sources: Iterable[str] = (),
    force: bool = False,
    by: str = "",
) -> int:
    """Note that somebody asked for a night, and the answer.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    outcome : str
        ``requested``, ``nothing``, ``waiting``, ``refused`` or ``dry run``.
    reason : str, optional
        In words, for who asked.
    backfill : str, optional
        Id of Airflow's backfill, or of the run.
    sources : iterable of str, optional
        Only these; all by default.
    force : bool, optional
        Whether what is valid is made again, too.
    by : str, optional
        Who asked.

    Returns
    -------
    int
        Number of the ask.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"{outcome!r} is not an outcome: {', '.join(OUTCOMES)}")
    values = {
        "night": night.evening, "production": production, "backfill": plain(backfill), "outcome": outcome,
        "reason": plain(reason), "sources": plain(sorted(sources)), "force": force, "requested_by": plain(by),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        row = session.execute(insert(Request).values(**values).returning(Request.id, Request.requested_utc)).one()
        catalog.note_decision("request", row.requested_utc, values)
        return int(row.id)


def requests_of(
    catalog: Catalog,
    production: str,
    first: Night | None = None,
    last: Night | None = None,
    *,
    backfill: str | None = None,
) -> tuple[Request, ...]:
    """Return what was asked for in a range of nights, the oldest ask of a night first."""
    statement = (
        select(Request)
        .where(Request.production == production)
        .order_by(Request.night, Request.requested_utc, Request.id)
    )
    if first is not None:
        statement = statement.where(Request.night >= first.evening)
    if last is not None:
        statement = statement.where(Request.night <= last.evening)
    if backfill is not None:
        statement = statement.where(Request.backfill == backfill)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def waiting_requests(catalog: Catalog, production: str) -> tuple[Request, ...]:
    """Return the latest ask of each night where it waits; only what waits or was handed on counts as latest."""
    latest = (
        select(Request)
        .distinct(Request.night)
        .where(Request.production == production, Request.outcome.in_((WAITING, REQUESTED)))
        .order_by(Request.night, Request.requested_utc.desc(), Request.id.desc())
        .subquery()
    )
    statement = select(Request).join(latest, Request.id == latest.c.id).where(latest.c.outcome == WAITING)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement.order_by(Request.night)))
