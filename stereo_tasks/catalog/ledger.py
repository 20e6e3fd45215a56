"""The readiness ledger: what detection last saw of each observation's files."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.models import ReadinessRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.inventory import Readiness
from stereo_tasks.nights import Night


def write_ledger(
    entries: Iterable[tuple[Night, str, Readiness]], production: str, *, engine: Engine | None = None
) -> None:
    """Write (night, source, readiness) of a production; an older entry is replaced."""
    values = [
        {
            "night": night.evening, "source": source, "production": production, "ready": seen.ready,
            "partial": seen.partial, "present": plain(seen.present), "missing": plain(seen.missing),
            "remarks": plain(seen.remarks), "files_changed_utc": seen.since, "checked_utc": func.clock_timestamp(),
        }
        for night, source, seen in entries
    ]  # fmt: skip
    if not values:
        return
    statement = insert(ReadinessRow).values(sorted(values, key=lambda one: (one["night"], one["source"])))
    columns = {name: statement.excluded[name] for name in values[0] if name not in ("night", "source", "production")}
    with transaction(engine) as session:
        session.execute(statement.on_conflict_do_update(index_elements=["night", "source", "production"], set_=columns))


def read_ledger(
    production: str, *, first: Night, last: Night, engine: Engine | None = None
) -> tuple[ReadinessRow, ...]:
    """Return the entries of a production from the first to the last night."""
    with transaction(engine) as session:
        statement = select(ReadinessRow).where(
            ReadinessRow.production == production, ReadinessRow.night.between(first.evening, last.evening)
        )
        return tuple(session.scalars(statement.order_by(ReadinessRow.night, ReadinessRow.source)))
