"""A metric of QA over the nights, with its limits as they were when it was judged."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Text, cast, func, select, true
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ElementRecord, RunVerdict
from stereo_tasks.nights import FIRST_NIGHT, Night
from stereo_tasks.stages.night import DL3

MOST_POINTS = 3000
"""Of more runs than this the mean of each night is shown."""
_LATEST = 200
"""Runs in whose verdicts the names of the metrics are looked for: old ones may have had fewer."""


@dataclass(frozen=True, slots=True)
class Point:
    """A run, or the mean of the runs of a night."""

    night: Night
    source: str
    run: int | None
    value: float
    level: str
    """As QA said; of a night, the worst of its runs."""


@dataclass(frozen=True, slots=True)
class DatedLimit:
    """Where a metric was good, from some night on."""

    first: Night
    last: Night
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """The first night with another version of the software."""

    night: Night
    text: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over a range of nights."""

    metric: str
    unit: str
    points: tuple[Point, ...]
    by_night: bool
    """Whether the points are means of nights."""
    limits: tuple[DatedLimit, ...]
    marks: tuple[Mark, ...]


def metric_names(catalog: Catalog, production: str) -> tuple[str, ...]:
    """Return the metrics that the newest verdicts of a production have."""
    newest = (
        select(RunVerdict.metrics)
        .where(RunVerdict.production == production, RunVerdict.superseded_utc.is_(None))
        .order_by(RunVerdict.night.desc())
        .limit(_LATEST)
        .subquery()
    )
    with catalog.transaction() as session:
        return tuple(sorted(session.scalars(select(func.jsonb_object_keys(newest.c.metrics)).distinct())))


def trend(
    catalog: Catalog, production: str, metric: str, first: Night, last: Night, *, source: str | None = None
) -> Trend:
    """Return a metric over a range of nights.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    metric : str
        As in `metric_names`.
    first, last : Night
        The range, both included.
    source : str, optional
        Only this one.
    """
    # A verdict has many metrics: the one that is wanted is taken out of each once, and not in every column.
    one = select(RunVerdict.metrics[metric].label("said")).correlate(RunVerdict).offset(0).lateral()
    said = one.c.said
    value, level = cast(said["value"].astext, Float), func.coalesce(said["level"].astext, RunVerdict.level)
    # As text: few limits differ, and only these need to be read.
    limit, unit = cast(said["limit"], Text).label("limit"), said["unit"].astext.label("unit")
    of = [RunVerdict.night, RunVerdict.source, limit, unit]
    wanted = [
        RunVerdict.production == production, RunVerdict.superseded_utc.is_(None),
        RunVerdict.night.between(first.evening, last.evening),
    ]  # fmt: skip
    if source:
        wanted.append(RunVerdict.source == source)
    known = [*wanted, func.jsonb_typeof(said["value"]) == "number"]
    with catalog.transaction(snapshot=True) as session:
        by_night = (session.scalar(select(func.count()).where(*wanted)) or 0) > MOST_POINTS
        if by_night:
            statement = select(*of, func.avg(value), _worst(level)).group_by(*of)
        else:
            statement = select(*of, value, level, RunVerdict.run)
        statement = statement.join_from(RunVerdict, one, true()).where(*known)
        rows = session.execute(statement.order_by(RunVerdict.night, RunVerdict.source)).all()
        marks = tuple(_marks(session, production, first, last))
    nights = {row.night: Night(row.night) for row in rows}
    points = tuple(
        Point(nights[row.night], row.source, None if by_night else row.run, row[4], row[5] or "") for row in rows
    )
    unit = next((row.unit for row in rows if row.unit), "")
    return Trend(metric, unit, points, by_night, tuple(_limits(rows)), marks)


def _worst(level: Any) -> Any:
    return func.coalesce(
        func.max(level).filter(level == "bad"), func.max(level).filter(level == "warning"), func.max(level)
    )


def _limits(rows: Iterable[Any]) -> Iterable[DatedLimit]:
    """Yield each good range that runs were judged by, with its first and last night; the rows are in their order."""
    by_text: dict[str, list[dt.date]] = {}
    for row in rows:
        by_text.setdefault(row.limit or "null", []).append(row.night)
    found: dict[tuple[float | None, float | None], list[dt.date]] = {}
    for text, nights in by_text.items():
        limit = json.loads(text)
        good = limit.get("good") if isinstance(limit, Mapping) else limit
        if isinstance(good, list) and len(good) == 2:
            found.setdefault((good[0], good[1]), []).extend((nights[0], nights[-1]))
    for (low, high), nights in found.items():
        yield DatedLimit(Night(min(nights)), Night(max(nights)), low, high)


def _marks(session: Session, production: str, first: Night, last: Night) -> Iterable[Mark]:
    """Yield the nights with which other versions made DL3, oldest first; the first of the range is no change."""
    versions = cast(ElementRecord.versions, Text)
    begin = func.min(ElementRecord.night)
    statement = (
        select(begin, func.min(ElementRecord.record_path))
        .where(
            ElementRecord.production == production, ElementRecord.stage == DL3.name, ElementRecord.state == "done",
            ElementRecord.night.between(first.evening, last.evening),
        )
        .group_by(versions)
        .order_by(begin)
    )  # fmt: skip
    before: dict[str, str] | None = None
    for night, path in session.execute(statement):
        now = session.scalar(select(ElementRecord.versions).where(ElementRecord.record_path == path)) or {}
        if (
            night
            and before is not None
            and (changed := [f"{key} {now[key]}" for key in now if now[key] != before.get(key)])
        ):
            yield Mark(Night(night), ", ".join(changed))
        before = dict(now)


def default_range(newest: Night) -> tuple[Night, Night]:
    """Return a year that ends with a night."""
    return Night(max(newest.evening - dt.timedelta(days=365), FIRST_NIGHT)), newest
