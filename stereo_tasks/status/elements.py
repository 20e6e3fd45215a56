"""The elements of a source of a night, one by one."""

from __future__ import annotations

from sqlalchemy import select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ElementRecord, PlanRow
from stereo_tasks.nights import Night


def elements_of(
    catalog: Catalog, night: Night, production: str, source: str, *, element: str | None = None
) -> tuple[ElementRecord, ...]:
    """Return what became of the elements of the latest plan of a source, in the order of their names.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production, source : str
        Of the plan.
    element : str, optional
        Only this one.
    """
    latest = (
        select(PlanRow.path)
        .where(PlanRow.night == night.evening, PlanRow.production == production, PlanRow.source == source)
        .order_by(PlanRow.ingested_utc.desc())
        .limit(1)
    )
    statement = select(ElementRecord).where(ElementRecord.plan_path == latest.scalar_subquery())
    if element is not None:
        statement = statement.where(ElementRecord.element == element)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement.order_by(ElementRecord.element)))
