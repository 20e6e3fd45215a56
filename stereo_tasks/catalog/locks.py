"""The lock of a night: one run at a time works on it, on whatever machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import NightLock
from stereo_tasks.nights import Night

_TRIES = 20


class NightLockedError(Exception):
    """Another run holds the night."""

    def __init__(self, night: Night, production: str, owner: str, since: dt.datetime) -> None:
        super().__init__(
            f"{night} of {production} is being processed by {owner} "
            f"since {since.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC: wait for it, "
            "or break the lock if that run is dead"
        )
        self.night, self.production, self.owner, self.since = night, production, owner, since

    def __reduce__(self) -> tuple[type[NightLockedError], tuple[Night, str, str, dt.datetime]]:
        """Pickle by what it was made of."""
        return (NightLockedError, (self.night, self.production, self.owner, self.since))


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that is held."""

    night: Night
    production: str
    owner: str
    since: dt.datetime


def acquire_night(
    catalog: Catalog,
    night: Night,
    production: str,
    owner: str,
    *,
    is_dead: Callable[[str], bool] | None = None,
) -> None:
    """Lock a night of a production.

    The owner itself may ask again, as a task that is tried again does. Of several who ask at once, one gets the lock.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production; another production of the same night is another lock.
    owner : str
        Id of the run, the same in all its tries.
    is_dead : callable, optional
        Says whether the run of an owner is over. The lock of such a run is taken over.

    Raises
    ------
    NightLockedError
        If another owner holds it.
    """
    if not owner:
        raise ValueError("a lock needs an owner: give the id of the run")
    for attempt in range(1, _TRIES + 1):
        holder = _try(catalog, night, production, owner)
        if holder is None or holder.owner == owner:
            return
        # Asked outside a transaction: the answer may take long, and only a lock unchanged since then is taken over.
        if attempt == _TRIES or is_dead is None or not is_dead(holder.owner):
            raise NightLockedError(night, production, holder.owner, holder.since)
        if _take_over(catalog, holder, owner):
            return


def release_night(catalog: Catalog, night: Night, production: str, owner: str) -> bool:
    """Give a night free; return whether the owner held it. Somebody else's lock is left alone."""
    with catalog.transaction() as session:
        statement = delete(NightLock).where(*_key(night, production), NightLock.owner == owner)
        return session.scalar(statement.returning(NightLock.owner)) is not None


def break_lock(catalog: Catalog, night: Night, production: str) -> HeldLock | None:
    """Remove a lock whoever holds it, and return what it was."""
    with catalog.transaction() as session:
        row = session.execute(
            delete(NightLock).where(*_key(night, production)).returning(NightLock.owner, NightLock.since_utc)
        ).one_or_none()
    return HeldLock(night, production, row.owner, row.since_utc) if row else None


def held_locks(catalog: Catalog) -> tuple[HeldLock, ...]:
    """Return all locks, the oldest first."""
    with catalog.transaction() as session:
        found = session.scalars(select(NightLock).order_by(NightLock.since_utc)).all()
        return tuple(HeldLock(Night(one.night), one.production, one.owner, one.since_utc) for one in found)


def _key(night: Night, production: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return NightLock.night == night.evening, NightLock.production == production


def _try(catalog: Catalog, night: Night, production: str, owner: str) -> HeldLock | None:
    """Insert the lock; return who holds it if somebody does."""
    with catalog.transaction() as session:
        while True:
            mine = session.scalar(
                insert(NightLock)
                .values(night=night.evening, production=production, owner=owner)
                .on_conflict_do_nothing()
                .returning(NightLock.owner)
            )
            if mine is not None:
                return None
            row = session.execute(
                select(NightLock.owner, NightLock.since_utc).where(*_key(night, production))
            ).one_or_none()
            if row is not None:  # else: released between the two statements
                return HeldLock(night, production, row.owner, row.since_utc)


def _take_over(catalog: Catalog, holder: HeldLock, owner: str) -> bool:
    with catalog.transaction() as session:
        taken = session.scalar(
            update(NightLock)
            .where(*_key(holder.night, holder.production))
            .where(NightLock.owner == holder.owner, NightLock.since_utc == holder.since)
            .values(owner=owner, since_utc=func.clock_timestamp())
            .returning(NightLock.owner)
        )
    return taken is not None
