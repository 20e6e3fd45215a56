"""The readiness ledger: what detection last saw of each observation's files, and since when it waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.journaling import Kind, note
from stereo_tasks.catalog.models import ReadinessRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.inventory import Readiness
from stereo_tasks.nights import Night

_Key = tuple[dt.date, str]


class _Turn(NamedTuple):
    """How an observation stands: what the journal is told of when it changes."""

    ready: bool
    partial: bool
    waits: dt.datetime | None
    content: str

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> _Turn:
        # What is not ready changes with every file that comes.
        content = row["content"] if row["ready"] else ""
        return cls(row["ready"], row["partial"], row["waiting_since_utc"], content)


def write_readiness(
    catalog: Catalog,
    entries: Iterable[tuple[Night, str, Readiness]],
    production: str,
    *,
    journal: Path | None = None,
) -> None:
    """Write (night, source, readiness) of a production; an older entry is replaced.

    An observation that is not ready waits since it was first seen so, which nothing but the catalog knows. So the rows
    of observations that turned (ready, partial, waiting again, ready with other content) go to the journal, too.
    """
    seen = {(night.evening, source): one for night, source, one in entries}
    if not seen:
        return
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        before = _locked(session, production, {night for night, _ in seen})
        rows = []
        for key in sorted(seen):
            waits = None if seen[key].ready else (before[key].waits if key in before else None) or now
            rows.append(row_values(*key, production, seen[key], waits, now))
        write(session, rows)
        turned = [row for row in rows if _Turn.of(row) != before.get((row["night"], row["source"]))]
        note(journal, Kind.READINESS, now, turned)


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
    """Write rows of the ledger, in an order that all who write them keep."""
    statement = insert(ReadinessRow)
    columns = {name: statement.excluded[name] for name in rows[0] if name not in ("night", "source", "production")}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["night", "source", "production"], set_=columns), rows
    )


def _locked(session: Session, production: str, nights: set[dt.date]) -> dict[_Key, _Turn]:
    """Return how each observation stands, and keep others from writing the ledger until the end."""
    take(session, Lock.READINESS)
    known = select(*ReadinessRow.__table__.columns).where(
        ReadinessRow.production == production, ReadinessRow.night.in_(nights)
    )
    return {(row["night"], row["source"]): _Turn.of(row) for row in session.execute(known).mappings()}


def read_readiness(catalog: Catalog, production: str, *, first: Night, last: Night) -> tuple[ReadinessRow, ...]:
    """Return the entries of a production from the first to the last night."""
    with catalog.transaction() as session:
        statement = select(ReadinessRow).where(
            ReadinessRow.production == production, ReadinessRow.night.between(first.evening, last.evening)
        )
        return tuple(session.scalars(statement.order_by(ReadinessRow.night, ReadinessRow.source)))
