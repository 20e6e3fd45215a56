"""Of which nights the catalog knows anything."""

from __future__ import annotations

import datetime as dt

from stereo_tasks.catalog import night_queries
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import FIRST_NIGHT, Night


def newest_known_nights(
    catalog: Catalog, production: str, first: Night, last: Night, *, number: int, source: str | None = None
) -> tuple[Night, ...]:
    """Return the newest nights of a range of which the catalog knows anything, the newest first.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    first, last : Night
        The range, both included.
    number : int
        At most so many.
    source : str, optional
        Only nights of this one.
    """
    asked = night_queries.Range(production, first.evening, last.evening, source and plain(source))
    with catalog.transaction() as session:
        return tuple(Night(night) for night in session.scalars(night_queries.known(asked, number)))


def neighbours(catalog: Catalog, production: str, night: Night) -> tuple[Night | None, Night | None]:
    """Return the known nights before and after a night; None where there is none.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    night : Night
        The night.
    """
    day = dt.timedelta(days=1)
    before = night_queries.Range(production, FIRST_NIGHT, night.evening - day)
    after = night_queries.Range(production, night.evening + day, dt.date.max)
    with catalog.transaction() as session:
        previous = session.scalar(night_queries.known(before, 1))
        following = session.scalar(night_queries.known(after, 1, oldest=True))
    return previous and Night(previous), following and Night(following)
