"""What QA says of each LST-1 run, with what it said before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import QaRow, RunVerdict
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night

_SAID = ("level", "reasons", "metrics", "zenith_deg", "live_time_s")
"""What makes a verdict another one; when, and under which plan, it was said again does not."""


class UnknownRunError(StereoError):
    """There is no verdict of a run; the text says what there is."""


def write(session: Session, rows: Iterable[dict[str, Any]], *, production: str, night: dt.date, source: str) -> None:
    """Write what QA says now of the runs of a night and source; what it said before is kept where it differs.

    Parameters
    ----------
    session : sqlalchemy.orm.Session
        Of a transaction that keeps others from writing the same.
    rows : iterable of dict
        As `tree.qa_values` gives them; runs that are not among them have no verdict any more.
    production, night, source
        Of all rows.
    """
    key = {"production": production, "night": night, "source": source}
    current = {one.run: one for one in session.scalars(select(RunVerdict).filter_by(**key, superseded_utc=None))}
    said = {row["run"]: row for row in rows}
    new = [row for run, row in said.items() if run not in current or _differs(current[run], row)]
    over = {run for run in current if run not in said} | {row["run"] for row in new}
    session.execute(
        update(RunVerdict)
        .filter_by(**key, superseded_utc=None)
        .where(RunVerdict.run.in_(over))
        .values(superseded_utc=func.clock_timestamp())
    )
    if new:
        session.execute(insert(RunVerdict), new)


def _differs(old: RunVerdict, new: dict[str, Any]) -> bool:
    return any(getattr(old, name) != new[name] for name in _SAID)


def supersede_without_page(session: Session) -> None:
    """Let verdicts of nights whose QA page is gone count no more."""
    page = exists().where(
        QaRow.production == RunVerdict.production, QaRow.night == RunVerdict.night, QaRow.source == RunVerdict.source
    )
    session.execute(
        update(RunVerdict)
        .where(RunVerdict.superseded_utc.is_(None), ~page)
        .values(superseded_utc=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def current_verdicts(
    session: Session,
    production: str,
    *,
    source: str | None = None,
    first: Night | None = None,
    last: Night | None = None,
    run: int | None = None,
) -> list[Any]:
    """Return the verdicts that count, by night, source and run: plain rows of all columns but the metrics."""
    columns = [column for column in RunVerdict.__table__.columns if column.name != "metrics"]
    statement = select(*columns).where(RunVerdict.production == production, RunVerdict.superseded_utc.is_(None))
    if source is not None:
        statement = statement.where(RunVerdict.source == source)
    if first is not None:
        statement = statement.where(RunVerdict.night >= first.evening)
    if last is not None:
        statement = statement.where(RunVerdict.night <= last.evening)
    if run is not None:
        statement = statement.where(RunVerdict.run == run)
    return list(session.execute(statement.order_by(RunVerdict.night, RunVerdict.source, RunVerdict.run)))


def verdict_history(catalog: Catalog, production: str, night: Night, source: str, run: int) -> tuple[RunVerdict, ...]:
    """Return what QA has said of a run, the latest first; that one counts, unless it was superseded by none."""
    statement = (
        select(RunVerdict)
        .filter_by(production=production, night=night.evening, source=source, run=run)
        .order_by(RunVerdict.id.desc())
    )
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def find_run(catalog: Catalog, production: str, name: str) -> Any:
    """Return the verdict of the run that a person means.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    name : str
        Number of the LST-1 run, or ``NIGHT/SOURCE/RUN``, such as ``2024-01-10/CrabNebula/16221``.

    Returns
    -------
    sqlalchemy.Row
        With the columns of `RunVerdict`, but for the metrics.

    Raises
    ------
    UnknownRunError
        If there is no verdict of it, or of several runs with this number.
    BadNightError
        If the night is none.
    """
    night, _, rest = name.partition("/") if "/" in name else ("", "", "")
    source, _, number = rest.rpartition("/") if night else ("", "", name)
    if not number.isdecimal() or bool(night) != bool(source):
        raise UnknownRunError(f"{name!r} is no run: write 16221, or 2024-01-10/CrabNebula/16221")
    day = Night(night) if night else None
    with catalog.transaction() as session:
        found = current_verdicts(session, production, source=source or None, first=day, last=day, run=int(number))
    if not found:
        raise UnknownRunError(
            f"QA has no verdict of run {name} in production {production}: its night is not processed to the end, "
            "or the log has no such run; see `stereo runs`"
        )
    if len(found) > 1:
        names = ", ".join(run_name(one) for one in found)
        raise UnknownRunError(f"run {name} is not one alone: write one of {names}")
    return found[0]


def run_name(run: Any) -> str:
    """Return the full name of a run, such as ``2024-01-10/CrabNebula/16221``."""
    return f"{Night(run.night)}/{run.source}/{run.run}"
