"""What was published, when, and with which verdict."""

from __future__ import annotations

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.models import Publication
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night


def record_publication(
    night: Night,
    production: str,
    source: str,
    *,
    cuts: str,
    path: str,
    plan: str,
    verdict: str = "",
    engine: Engine | None = None,
) -> None:
    """Record that DL3 and index were made visible; the same publication again only renews verdict and time."""
    statement = insert(Publication).values(
        night=night.evening, production=production, source=source, cuts=cuts, path=plain(path), plan=plain(plan),
        verdict=verdict,
    )  # fmt: skip
    with transaction(engine) as session:
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["production", "night", "source", "cuts", "path"],
                set_={"verdict": verdict, "plan": plain(plan), "published_utc": func.clock_timestamp()},
            )
        )


def published(
    production: str,
    *,
    first: Night | None = None,
    last: Night | None = None,
    source: str | None = None,
    engine: Engine | None = None,
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
    with transaction(engine) as session:
        return tuple(session.scalars(statement))
