"""Holds by people: a night, or a source of it, waits until somebody releases it or its end is reached."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

WHOLE_NIGHT = ""
ENDED = "its end was reached"
"""Who released a hold that nobody released."""


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
    ValueError
        If there is no reason, or the end has no zone or is over.
    DecisionError
        If the file of decisions cannot be written; nothing is held then.
    """
    if not reason.strip():
        raise ValueError("a hold needs a reason: somebody else will find it")
    if until is not None and until.tzinfo is None:
        raise ValueError("the end of a hold needs a time zone")
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)  # the times of holds and releases are in the order in which they were made
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        if until is not None and until <= now:
            raise ValueError(
                f"the hold would be over already: {until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC has passed"
            )
        values = {
            "night": night.evening, "production": production, "source": source, "reason": plain(reason),
            "held_by": plain(by), "until_utc": until,
        }  # fmt: skip
        new = _put(session, values, now)
        if new:
            catalog.note_decision("hold", now, values)
        return new


def _put(session: Session, values: dict[str, object], at: dt.datetime) -> bool:
    """Write a hold of a moment; return False if there was one. One whose end had been reached makes room."""
    session.execute(
        update(HoldRow)
        .where(*_key(values["night"], values["production"], values["source"]), HoldRow.until_utc <= at)
        .values(released_utc=HoldRow.until_utc, released_by=ENDED)
    )
    statement = insert(HoldRow).values(**values, held_utc=at).on_conflict_do_nothing().returning(HoldRow.id)
    return session.scalar(statement) is not None


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
    values = {
        "night": night.evening, "production": production, "source": source, "released_by": plain(by),
        "release_reason": plain(reason.strip()),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)
        at = _take_away(session, values)
        if at is not None:
            catalog.note_decision("release", at, values)
        return at is not None


def _take_away(session: Session, values: dict[str, object]) -> dt.datetime | None:
    """Release the hold that holds now; return when, or None if there was none."""
    moment = func.clock_timestamp()
    return session.scalar(
        update(HoldRow)
        .where(*_key(values["night"], values["production"], values["source"]), _holds_at(moment))
        .values(released_utc=moment, **{name: values[name] for name in ("released_by", "release_reason")})
        .returning(HoldRow.released_utc)
    )


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
    statement = (
        select(HoldRow).where(HoldRow.released_utc.is_(None), _holds_at(now or func.clock_timestamp()))
    ).order_by(HoldRow.held_utc)
    if production is not None:
        statement = statement.where(HoldRow.production == production)
    if night is not None:
        statement = statement.where(HoldRow.night == night.evening)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def _holds_at(moment: object) -> ColumnElement[bool]:
    return or_(HoldRow.until_utc.is_(None), HoldRow.until_utc > moment)


def _key(night: object, production: object, source: object) -> tuple[ColumnElement[bool], ...]:
    return (
        HoldRow.night == night,
        HoldRow.production == production,
        HoldRow.source == source,
        HoldRow.released_utc.is_(None),
    )
