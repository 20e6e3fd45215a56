"""The stereo log in the catalog, with the history of its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from stereo_tasks.catalog.models import ObservationChange, ObservationRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import Observation, Selection


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the log, or of the verdict on a row."""

    night: Night
    source: str
    kind: str
    """``added``, ``changed``, ``removed``, ``returned`` or ``selection``."""


def update_observations(selection: Selection, *, engine: Engine | None = None) -> tuple[Change, ...]:
    """Bring the catalog to what the log says now, and keep what it said before.

    Parameters
    ----------
    selection : Selection
        The whole log, divided by the policy. What is not in it counts as removed; so does a row that was damaged.
    engine : sqlalchemy.Engine, optional
        Of the catalog.

    Returns
    -------
    tuple of Change
        What is different from the last time.
    """
    verdicts = [(row, "") for row in selection.accepted] + list(selection.rejected)
    with transaction(engine) as session:
        # Two at once would write every change twice.
        session.execute(text("LOCK TABLE observations IN SHARE ROW EXCLUSIVE MODE"))
        known = {(row.night, row.source): row for row in session.scalars(select(ObservationRow))}
        changes = [change for row, reason in verdicts for change in _one(session, known, row, reason)]
        present = {(row.night.evening, row.source) for row, _ in verdicts}
        for key, old in known.items():
            if key not in present and old.in_log:
                old.in_log = False
                changes.append(_changed(session, old, "removed", old.content, None))
    return tuple(changes)


def _one(
    session: Session, known: dict[tuple[dt.date, str], ObservationRow], row: Observation, reason: str
) -> Iterator[Change]:
    content, reason = plain(row.content), plain(reason)
    old = known.get((row.night.evening, row.source))
    if old is None:
        new = ObservationRow(
            night=row.night.evening, source=row.source, content=content, checksum=row.checksum, line=row.line,
            accepted=not reason, reason=reason, in_log=True,
        )  # fmt: skip
        session.add(new)
        yield _changed(session, new, "added", None, content)
        return
    if not old.in_log:
        yield _changed(session, old, "returned", None, content)
    elif old.content != content:
        yield _changed(session, old, "changed", old.content, content)
    if old.reason != reason:
        yield _changed(session, old, "selection", {"reason": old.reason}, {"reason": reason})
    old.content, old.checksum, old.line, old.in_log = content, row.checksum, row.line, True
    old.accepted, old.reason = not reason, reason


def _changed(session: Session, row: ObservationRow, kind: str, before: object, after: object) -> Change:
    session.add(ObservationChange(night=row.night, source=row.source, kind=kind, before=before, after=after))
    if kind != "added":
        row.changed_utc = func.clock_timestamp()
    return Change(Night(row.night), row.source, kind)


def history(night: Night, source: str, *, engine: Engine | None = None) -> tuple[ObservationChange, ...]:
    """Return all changes of a row, the oldest first."""
    with transaction(engine) as session:
        statement = select(ObservationChange).where(
            ObservationChange.night == night.evening, ObservationChange.source == source
        )
        return tuple(session.scalars(statement.order_by(ObservationChange.id)))
