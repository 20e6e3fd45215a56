"""What was published, when, and with which verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Publication
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

KEY = ("production", "night", "source", "cuts", "path")
_REST = ("plan", "verdict", "published_utc")


def record_publication(
    catalog: Catalog,
    night: Night,
    production: str,
    source: str,
    *,
    cuts: str,
    path: str,
    plan: str,
    verdict: str = "",
    published_utc: dt.datetime | None = None,
) -> None:
    """Record that DL3 and index were made visible; the same publication again only renews verdict and time.

    `ingest` does this for what it finds in the tree.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    source : str
        The source.
    cuts : str
        Name of the cuts, as in the tree.
    path : str
        The folder that the link points to.
    plan : str
        The plan that it was made for.
    verdict : str, optional
        Of QA.
    published_utc : datetime.datetime, optional
        When; now by default.
    """
    with catalog.transaction(writes=True) as session:
        now = published_utc or session.execute(select(func.clock_timestamp())).scalar_one()
        row = {
            "night": night.evening, "production": production, "source": source, "cuts": cuts, "path": plain(path),
            "plan": plain(plan), "verdict": verdict, "published_utc": now,
        }  # fmt: skip
        write(session, [row])


def write(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Write publications."""
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
