"""What was published, when, and with which verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Publication
from stereo_tasks.nights import Night

KEY = ("production", "night", "source", "cuts", "path")
_REST = ("plan", "verdict", "published_utc")


def write(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Write publications; the same again renews only what became different of plan, verdict and time."""
    statement = insert(Publication)
    rest = {name: statement.excluded[name] for name in _REST}
    different = or_(*(getattr(Publication, name) != value for name, value in rest.items()))
    statement = statement.on_conflict_do_update(index_elements=KEY, set_=rest, where=different)
    for row in rows:
        session.execute(statement.values(**row))


def published(
    catalog: Catalog,
    production: str,
    *,
    first: Night | None = None,
    last: Night | None = None,
    source: str | None = None,
) -> tuple[Publication, ...]:
    """Return what is visible now: of each night, source and cuts the latest publication."""
    statement = (
        select(Publication)
        .distinct(Publication.night, Publication.source, Publication.cuts)
        .where(Publication.production == production)
        .order_by(Publication.night, Publication.source, Publication.cuts, Publication.published_utc.desc())
    )
    if first is not None:
        statement = statement.where(Publication.night >= first.evening)
    if last is not None:
        statement = statement.where(Publication.night <= last.evening)
    if source is not None:
        statement = statement.where(Publication.source == source)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))
