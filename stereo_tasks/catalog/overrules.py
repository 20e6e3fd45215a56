"""Overrules: a person's level of a run counts instead of that of QA, until it is lifted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import given_reason
from stereo_tasks.catalog.liftable import OVERRULE
from stereo_tasks.catalog.models import Overrule
from stereo_tasks.catalog.run_verdicts import run_name
from stereo_tasks.catalog.values import plain
from stereo_tasks.errors import StereoError
from stereo_tasks.gadf.format import QUALITY
from stereo_tasks.nights import Night

LEVELS = tuple(QUALITY)


class OverruleError(StereoError):
    """A run cannot be overruled, or an overrule not lifted; the text says why."""


def overrule(catalog: Catalog, run: Any, level: str, reason: str, *, by: str) -> Overrule:
    """Overrule the verdict of a run.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    run : sqlalchemy.Row
        The verdict, as `run_verdicts.find_run` gives it.
    level : str
        ``good``, ``warning`` or ``bad``.
    reason : str
        Why, for the person who finds it.
    by : str
        Who.

    Raises
    ------
    OverruleError
        If there is no such level, or somebody has overruled the run already; that stays.
    NoReasonError
        If there is no reason.
    DecisionError
        If the file of decisions cannot be written; nothing is overruled then.
    """
    if level not in LEVELS:
        raise OverruleError(f"{level!r} is no level: {', '.join(LEVELS)}")
    reason = given_reason(reason, "an overrule needs a reason: somebody else will find it")
    values = {
        "production": run.production, "night": run.night, "source": run.source, "run": run.run, "level": level,
        "verdict": run.level, "reason": reason, "decided_by": plain(by),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        take(session, Lock.JUDGEMENTS)  # the times of decisions are in the order in which they were made
        if other := _open(session, run):
            raise OverruleError(f"run {run_name(run)} is overruled already, {described(other)}. Lift that first")
        row: Overrule = OVERRULE.decide(catalog, session, values)
        return row


def lift(catalog: Catalog, run: Any, reason: str = "", *, by: str) -> Overrule:
    """Lift the overrule of a run: what QA says counts again.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    run : sqlalchemy.Row
        The verdict, as `run_verdicts.find_run` gives it.
    reason : str, optional
        Why.
    by : str
        Who.

    Raises
    ------
    OverruleError
        If nobody has overruled it.
    DecisionError
        If the file of decisions cannot be written; nothing is lifted then.
    """
    with catalog.transaction(writes=True) as session:
        take(session, Lock.JUDGEMENTS)
        found = _open(session, run)
        if found is None:
            raise OverruleError(f"nobody has overruled run {run_name(run)}: QA's verdict counts, {run.level}")
        row: Overrule = OVERRULE.end(catalog, session, found, by=plain(by), reason=plain(reason.strip()))
        return row


def _open(session: Session, run: Any) -> Overrule | None:
    row: Overrule | None = OVERRULE.open(session, **{name: getattr(run, name) for name in OVERRULE.key})
    return row


def open_overrules(
    session: Session,
    production: str,
    *,
    source: str | None = None,
    first: Night | None = None,
    last: Night | None = None,
) -> tuple[Overrule, ...]:
    """Return the overrules that nobody has lifted."""
    statement = select(Overrule).where(Overrule.production == production, Overrule.lifted_utc.is_(None))
    if source is not None:
        statement = statement.where(Overrule.source == source)
    if first is not None:
        statement = statement.where(Overrule.night >= first.evening)
    if last is not None:
        statement = statement.where(Overrule.night <= last.evening)
    return tuple(session.scalars(statement.order_by(Overrule.id)))


def overruled_runs(folder: Path, production: str, night: Night, source: str) -> dict[int, Overrule]:
    """Return the open overrules of a night and source, by run.

    Asked of the files of decisions: a publication must know them on machines without a catalog, too.

    Parameters
    ----------
    folder : pathlib.Path
        Of the files of decisions.
    production, night, source
        Of what is published.

    Raises
    ------
    DecisionError
        If a file is there and cannot be read.
    """
    of = production, night.evening, source
    rows = [Overrule(**row) for row in OVERRULE.standing(decisions.read(folder))]
    return {row.run: row for row in rows if (row.production, row.night, row.source) == of}


def described(row: Overrule) -> str:
    """Say who overruled a run, when, to what and why."""
    time = f"{row.decided_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return f"by {row.decided_by} since {time}: {row.level} instead of {row.verdict}, {row.reason}"
