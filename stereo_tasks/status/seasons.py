"""What is published of the sources, over all their nights."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, cast, func, select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Publication, QaRow
from stereo_tasks.products.publication import stable_path

_NIGHTS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Season:
    """A source with published nights."""

    source: str
    nights: int
    first: dt.date
    last: dt.date
    live_time_s: float
    """As QA found it."""


@dataclass(frozen=True, slots=True)
class SeasonNight:
    """A published night of a source."""

    night: dt.date
    verdict: str
    live_time_s: float | None
    significance_sigma: float | None
    folder: str
    """The link that users read."""


def seasons(catalog: Catalog, production: str) -> list[Season]:
    """Return the sources that have published nights, by name."""
    nights = (
        select(Publication.source, Publication.night).where(Publication.production == production).distinct().subquery()
    )
    statement = (
        select(
            nights.c.source, func.count(), func.min(nights.c.night), func.max(nights.c.night),
            func.coalesce(func.sum(_number("live_time_s")), 0.0),
        )
        .join_from(nights, QaRow, _same_night(nights.c, production), isouter=True)
        .group_by(nights.c.source)
        .order_by(nights.c.source)
    )  # fmt: skip
    with catalog.transaction() as session:
        return [Season(*row) for row in session.execute(statement)]


def season(catalog: Catalog, production: str, source: str) -> tuple[SeasonNight, ...]:
    """Return the newest published nights of a source, newest first."""
    of = select(Publication.night, Publication.source, Publication.path).where(
        Publication.production == production, Publication.source == source
    )
    latest = of.distinct(Publication.night).order_by(Publication.night.desc(), Publication.published_utc.desc())
    nights = latest.limit(_NIGHTS_SHOWN).subquery()
    statement = (
        select(nights.c.night, QaRow.verdict, _number("live_time_s"), _number("significance_sigma"), nights.c.path)
        .join_from(nights, QaRow, _same_night(nights.c, production), isouter=True)
        .order_by(nights.c.night.desc())
    )
    with catalog.transaction() as session:
        return tuple(
            SeasonNight(night, verdict or "", live, sigma, stable_path(path))
            for night, verdict, live, sigma, path in session.execute(statement)
        )


def _number(name: str) -> Any:
    return cast(QaRow.metrics[name].astext, Float)


def _same_night(columns: Any, production: str) -> Any:
    return (QaRow.production == production) & (QaRow.night == columns.night) & (QaRow.source == columns.source)
