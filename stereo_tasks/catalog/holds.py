"""Holds by people: a night, or a source of it, waits until somebody releases it or its end is reached."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, or_, select, update

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import given_reason
from stereo_tasks.catalog.liftable import ENDED, HOLD
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

WHOLE_NIGHT = ""


def hold(
    catalog: Catalog,
    night: Night,
    production: str,
    reason: str,
    *,
    by: str,
    source: str = WHOLE_NIGHT,
    until: dt.datetime | None = None,
) -> bool:
    """Hold a night or a source of it; return False if it was held already (that hold stays).

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    reason : str
        Why, for the person who finds it.
    by : str
        Who.
    source : str, optional
        The source; the whole night by default.
    until : datetime.datetime, optional
        When the hold ends by itself, with its zone; only a release ends it by default.

    Raises
    ------
    NoReasonError
        If there is no reason.
    ValueError
        If the end has no zone or is over.
    DecisionError
        If the file of decisions cannot be written; nothing is held then.
    """
    reason = given_reason(reason, "a hold needs a reason: somebody else will find it")
    if until is not None and until.tzinfo is None:
        raise ValueError("the end of a hold needs a time zone")
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)  # the times of holds and releases are in the order in which they were made
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        if until is not None and until <= now:
            raise ValueError(
                f"the hold would be over already: {until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC has passed"
            )
        key = {"night": night.evening, "production": production, "source": source}
        # One whose end has been reached makes room.
        session.execute(
            update(HoldRow)
            .filter_by(**key, released_utc=None)
            .where(HoldRow.until_utc <= now)
            .values(released_utc=HoldRow.until_utc, released_by=ENDED)
        )
        values = {**key, "reason": reason, "held_by": plain(by), "until_utc": until}
        return HOLD.decide(catalog, session, values, at=now) is not None


def release(
    catalog: Catalog,
    night: Night,
    production: str,
    *,
    by: str,
    source: str = WHOLE_NIGHT,
    reason: str = "",
) -> bool:
    """Release a hold; return whether there was one that still held."""
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)
        row = HOLD.open(session, night=night.evening, production=production, source=source)
        if row is not None:
            HOLD.end(catalog, session, row, by=plain(by), reason=plain(reason.strip()))
        return row is not None


def open_holds(
    catalog: Catalog,
    production: str | None = None,
    *,
    night: Night | None = None,
    now: dt.datetime | None = None,
) -> tuple[HoldRow, ...]:
    """Return the holds that nobody released and whose end is not reached, the oldest first.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production, night : optional
        Only of these.
    now : datetime.datetime, optional
        The time, with its zone; the database's by default.
    """
    holds = or_(HoldRow.until_utc.is_(None), HoldRow.until_utc > (now or func.clock_timestamp()))
    statement = select(HoldRow).where(HoldRow.released_utc.is_(None), holds).order_by(HoldRow.held_utc)
    if production is not None:
        statement = statement.where(HoldRow.production == production)
    if night is not None:
        statement = statement.where(HoldRow.night == night.evening)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))
