"""Readiness: what detection last saw of each observation's files, and since when it waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.models import ReadinessRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.inventory import Readiness
from stereo_tasks.nights import Night

_Key = tuple[dt.date, str]


def write_readiness(
    catalog: Catalog,
    entries: Iterable[tuple[Night, str, Readiness]],
    production: str,
) -> None:
    """Write (night, source, readiness) of a production; an older entry is replaced.

    An observation that is not ready waits since it was first seen so.
    """
    seen = {(night.evening, source): one for night, source, one in entries}
    if not seen:
        return
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        before = _locked(session, production, {night for night, _ in seen})
        rows = []
        for key in sorted(seen):
            waits = None if seen[key].ready else before.get(key) or now
            rows.append(row_values(*key, production, seen[key], waits, now))
        write(session, rows)


def row_values(
    night: dt.date, source: str, production: str, seen: Readiness, waits: dt.datetime | None, now: dt.datetime
) -> dict[str, Any]:
    """Return the row of an observation."""
    return {
        "night": night, "source": source, "production": production, "ready": seen.ready, "partial": seen.partial,
        "present": plain(seen.present), "missing": plain(seen.missing), "remarks": plain(seen.remarks),
        "files_changed_utc": seen.since, "waiting_since_utc": waits, "checked_utc": now,
        "content": seen.content,
    }  # fmt: skip


def write(session: Session, rows: list[dict[str, Any]]) -> None:
    """Write rows, in an order that all who write them keep."""
    statement = insert(ReadinessRow)
    columns = {name: statement.excluded[name] for name in rows[0] if name not in ("night", "source", "production")}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["night", "source", "production"], set_=columns), rows
    )


def _locked(session: Session, production: str, nights: set[dt.date]) -> dict[_Key, dt.datetime | None]:
    """Return since when each observation waits, and keep others from writing readiness until the end."""
    take(session, Lock.READINESS)
    known = select(ReadinessRow.night, ReadinessRow.source, ReadinessRow.waiting_since_utc).where(
        ReadinessRow.production == production, ReadinessRow.night.in_(nights)
    )
    return {(row.night, row.source): row.waiting_since_utc for row in session.execute(known)}


def read_readiness(catalog: Catalog, production: str, *, first: Night, last: Night) -> tuple[ReadinessRow, ...]:
    """Return the entries of a production from the first to the last night."""
    with catalog.transaction() as session:
        statement = select(ReadinessRow).where(
            ReadinessRow.production == production, ReadinessRow.night.between(first.evening, last.evening)
        )
        return tuple(session.scalars(statement.order_by(ReadinessRow.night, ReadinessRow.source)))
