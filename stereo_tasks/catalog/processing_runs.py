"""Runs of nights: when they began, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ProcessingRun
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night

RUNNING, DONE, FAILED, NOTHING, LOCKED, TAKEN = "running", "done", "failed", "nothing", "locked", "taken"
ENDS = (DONE, FAILED, NOTHING, LOCKED)
"""Ends of a run. One that is `LOCKED` out found another run at work: what it was asked for is still to be done. It is
`TAKEN` when a run that holds the lock has planned that, too."""
LOCKED_OUT = (LOCKED, TAKEN)
"""States of runs that did nothing themselves."""
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
    *,
    choice: Mapping[str, Any] | None = None,
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
    choice : mapping, optional
        What it was asked for, if it was locked out.
    """
    if state not in ENDS:
        raise ValueError(f"{state!r} is not an end of a run: {', '.join(ENDS)}")
    values = {
        "night": night.evening, "production": production, "run_id": plain(run_id), "state": state,
        "lines": plain(list(lines)), "choice": plain(dict(choice or {})),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        end = {"state": state, "lines": values["lines"], "choice": values["choice"], "ended_utc": now}
        # A run that ended without having begun was locked out, or its beginning was not written.
        statement = insert(ProcessingRun).values(**values, started_utc=now, ended_utc=now)
        session.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=end))


def latest_processing_runs(catalog: Catalog, production: str, first: Night, last: Night) -> tuple[ProcessingRun, ...]:
    """Return the latest run of each night of a range; one that was locked out counts only if there is no other."""
    statement = (
        select(ProcessingRun)
        .distinct(ProcessingRun.night)
        .where(ProcessingRun.production == production, ProcessingRun.night.between(first.evening, last.evening))
        .order_by(ProcessingRun.night, ProcessingRun.state.in_(LOCKED_OUT), ProcessingRun.started_utc.desc())
    )
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def locked_out(catalog: Catalog, production: str, night: Night | None = None) -> tuple[ProcessingRun, ...]:
    """Return the runs that were locked out and whose requests nobody has taken yet, the oldest first."""
    statement = select(ProcessingRun).where(ProcessingRun.production == production, ProcessingRun.state == LOCKED)
    if night is not None:
        statement = statement.where(ProcessingRun.night == night.evening)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement.order_by(ProcessingRun.night, ProcessingRun.started_utc)))


def take_over(catalog: Catalog, runs: Iterable[ProcessingRun], by: str) -> None:
    """Note that a run has planned what others were asked for that were locked out.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    runs : iterable of ProcessingRun
        As `locked_out` gave them.
    by : str
        Id of the run that planned it.
    """
    with catalog.transaction(writes=True) as session:
        for run in runs:
            key = (ProcessingRun.night == run.night, ProcessingRun.production == run.production)
            session.execute(
                update(ProcessingRun)
                .where(*key, ProcessingRun.run_id == run.run_id, ProcessingRun.state == LOCKED)
                .values(state=TAKEN, lines=[f"another run was at work; {by} took over what it was asked for"])
            )
