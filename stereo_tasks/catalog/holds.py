"""Holds by people: a night, or a source of it, waits until somebody releases it."""

from __future__ import annotations

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

WHOLE_NIGHT = ""


def hold(
    night: Night, production: str, reason: str, *, by: str, source: str = WHOLE_NIGHT, engine: Engine | None = None
) -> bool:
    """Hold a night or a source of it; return False if it was held already (that hold stays).

    Parameters
    ----------
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
    engine : sqlalchemy.Engine, optional
        Of the catalog.
    """
    if not reason.strip():
        raise ValueError("a hold needs a reason: somebody else will find it")
    with transaction(engine) as session:
        statement = insert(HoldRow).values(
            night=night.evening, production=production, source=source, reason=plain(reason), held_by=plain(by)
        )
        return session.scalar(statement.on_conflict_do_nothing().returning(HoldRow.id)) is not None


def release(night: Night, production: str, *, by: str, source: str = WHOLE_NIGHT, engine: Engine | None = None) -> bool:
    """Release a hold; return whether there was one."""
    with transaction(engine) as session:
        statement = (
            update(HoldRow)
            .where(HoldRow.night == night.evening, HoldRow.production == production, HoldRow.source == source)
            .where(HoldRow.released_utc.is_(None))
            .values(released_utc=func.clock_timestamp(), released_by=plain(by))
            .returning(HoldRow.id)
        )
        return session.scalar(statement) is not None


def open_holds(
    production: str | None = None, *, night: Night | None = None, engine: Engine | None = None
) -> tuple[HoldRow, ...]:
    """Return the holds that nobody released, the oldest first."""
    statement = select(HoldRow).where(HoldRow.released_utc.is_(None)).order_by(HoldRow.held_utc)
    if production is not None:
        statement = statement.where(HoldRow.production == production)
    if night is not None:
        statement = statement.where(HoldRow.night == night.evening)
    with transaction(engine) as session:
        return tuple(session.scalars(statement))
