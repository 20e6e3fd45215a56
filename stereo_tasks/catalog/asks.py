"""Nights that people asked for, and what was answered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.journaling import Kind, note
from stereo_tasks.catalog.models import AskRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

REQUESTED, NOTHING, WAITING, REFUSED, DRY_RUN = "requested", "nothing", "waiting", "refused", "dry run"
OUTCOMES = (REQUESTED, NOTHING, WAITING, REFUSED, DRY_RUN)


def note_ask(
    night: Night,
    production: str,
    outcome: str,
    reason: str = "",
    *,
    backfill: str = "",
    sources: Iterable[str] = (),
    force: bool = False,
    by: str = "",
    engine: Engine | None = None,
    journal: Path | None = None,
) -> int:
    """Note that somebody asked for a night, and the answer.

    Parameters
    ----------
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
    engine : sqlalchemy.Engine, optional
        Of the catalog.
    journal : pathlib.Path, optional
        Folder of the journal; that of the site by default.

    Returns
    -------
    int
        Number of the ask.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"{outcome!r} is not an outcome: {', '.join(OUTCOMES)}")
    values = {
        "night": night.evening, "production": production, "backfill": plain(backfill), "outcome": outcome,
        "reason": plain(reason), "sources": plain(sorted(sources)), "force": force, "asked_by": plain(by),
    }  # fmt: skip
    with transaction(engine, writes=True) as session:
        row = session.execute(insert(AskRow).values(**values).returning(AskRow.id, AskRow.asked_utc)).one()
        note(journal, Kind.ASK, row.asked_utc, [values])
        return int(row.id)


def asks(
    production: str,
    first: Night | None = None,
    last: Night | None = None,
    *,
    backfill: str | None = None,
    engine: Engine | None = None,
) -> tuple[AskRow, ...]:
    """Return what was asked for in a range of nights, the oldest ask of a night first."""
    statement = select(AskRow).where(AskRow.production == production).order_by(AskRow.night, AskRow.id)
    if first is not None:
        statement = statement.where(AskRow.night >= first.evening)
    if last is not None:
        statement = statement.where(AskRow.night <= last.evening)
    if backfill is not None:
        statement = statement.where(AskRow.backfill == backfill)
    with transaction(engine) as session:
        return tuple(session.scalars(statement))


def waiting_asks(production: str, *, engine: Engine | None = None) -> tuple[AskRow, ...]:
    """Return the latest ask of each night where it waits; only what waits or was handed on counts as latest."""
    latest = (
        select(AskRow)
        .distinct(AskRow.night)
        .where(AskRow.production == production, AskRow.outcome.in_((WAITING, REQUESTED)))
        .order_by(AskRow.night, AskRow.id.desc())
        .subquery()
    )
    statement = select(AskRow).join(latest, AskRow.id == latest.c.id).where(latest.c.outcome == WAITING)
    with transaction(engine) as session:
        return tuple(session.scalars(statement.order_by(AskRow.night)))
