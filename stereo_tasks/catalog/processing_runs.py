"""Runs of nights: when they began, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ProcessingRun
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

RUNNING, DONE, FAILED, NOTHING, LOCKED = "running", "done", "failed", "nothing", "locked"
ENDS = (DONE, FAILED, NOTHING, LOCKED)
_KEY = ["night", "production", "run_id"]


def begin_run(catalog: Catalog, night: Night, production: str, run_id: str) -> None:
    """Note that a run works on a night; a run that is cleared begins again.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    run_id : str
        Id of the run, the same in all its tries.
    """
    values = {"night": night.evening, "production": production, "run_id": plain(run_id)}
    again: dict[str, Any] = {"state": RUNNING, "lines": [], "started_utc": func.clock_timestamp(), "ended_utc": None}
    statement = insert(ProcessingRun).values(**values, **again)
    with catalog.transaction(writes=True) as session:
        session.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=again))


def end_run(
    catalog: Catalog,
    night: Night,
    production: str,
    run_id: str,
    state: str,
    lines: Iterable[str] = (),
) -> None:
    """Note how a run ended; doing it again replaces what was noted.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    run_id : str
        Id of the run.
    state : str
        ``done``, ``failed``, ``nothing`` (there is nothing to process) or ``locked`` (another run is at work).
    lines : iterable of str, optional
        What it says, for a person.
    """
    if state not in ENDS:
        raise ValueError(f"{state!r} is not an end of a run: {', '.join(ENDS)}")
    values = {
        "night": night.evening, "production": production, "run_id": plain(run_id), "state": state,
        "lines": plain(list(lines)),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        end = {"state": state, "lines": values["lines"], "ended_utc": now}
        # A run that ended without having begun was locked out, or its beginning was not written.
        statement = insert(ProcessingRun).values(**values, started_utc=now, ended_utc=now)
        session.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=end))


def latest_processing_runs(catalog: Catalog, production: str, first: Night, last: Night) -> tuple[ProcessingRun, ...]:
    """Return the latest run of each night of a range; one that was locked out counts only if there is no other."""
    statement = (
        select(ProcessingRun)
        .distinct(ProcessingRun.night)
        .where(ProcessingRun.production == production, ProcessingRun.night.between(first.evening, last.evening))
        .order_by(ProcessingRun.night, ProcessingRun.state == LOCKED, ProcessingRun.started_utc.desc())
    )
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))
