"""The stereo log in the catalog, with the history of its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ObservationChange, ObservationRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import Observation, Selection


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the log, or of the verdict on a row."""

    night: Night
    source: str
    kind: str
    """``added``, ``changed``, ``removed``, ``returned``, ``selection``; ``lost`` for a row that is gone and stays."""


def update_observations(
    catalog: Catalog,
    selection: Selection,
    *,
    too_many: Callable[[int, int], bool] | None = None,
) -> tuple[Change, ...]:
    """Bring the catalog to what the log says now, and keep what it said before.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    selection : Selection
        The whole log, divided by the policy. What is not in it counts as removed; so does a row that was damaged.
    too_many : callable, optional
        Says by the number of rows that are gone and of those that were known whether the log is rather damaged than
        corrected. Then these rows stay as they are.

    Returns
    -------
    tuple of Change
        What is different from the last time.
    """
    with catalog.transaction(writes=True) as session:
        return follow(session, selection, too_many)


def follow(session: Session, selection: Selection, too_many: Callable[[int, int], bool] | None) -> tuple[Change, ...]:
    """Do what `update_observations` does within a transaction."""
    # Two at once would write every change twice.
    session.execute(text("LOCK TABLE observations IN SHARE ROW EXCLUSIVE MODE"))
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    known = {(row.night, row.source): row for row in session.scalars(select(ObservationRow))}
    in_log = {key for key, row in known.items() if row.in_log}
    verdicts = [(row, "") for row in selection.accepted] + list(selection.rejected)
    noted = [one for row, reason in verdicts for one in _one(session, known, row, reason, now)]
    present = {(row.night.evening, row.source) for row, _ in verdicts}
    gone = [known[key] for key in sorted(in_log - present)]
    lost: list[Change] = []
    if too_many is not None and too_many(len(gone), len(in_log)):
        lost = [Change(Night(old.night), old.source, "lost") for old in gone]
    else:
        for old in gone:
            old.in_log = False
            noted.append(_changed(session, old, "removed", old.content, None, now))
    return (*(Change(Night(row.night), row.source, change.kind) for row, change in noted), *lost)


_Noted = tuple[ObservationRow, ObservationChange]


def _one(
    session: Session, known: dict[tuple[dt.date, str], ObservationRow], row: Observation, reason: str, now: dt.datetime
) -> Iterator[_Noted]:
    content, reason = plain(row.content), plain(reason)
    old = known.get((row.night.evening, row.source))
    if old is None:
        new = ObservationRow(
            night=row.night.evening, source=row.source, content=content, checksum=row.checksum, line=row.line,
            accepted=not reason, reason=reason, in_log=True, first_seen_utc=now,
        )  # fmt: skip
        session.add(new)
        yield _changed(session, new, "added", None, content, now)
        return
    was_in_log, old_content, old_reason = old.in_log, old.content, old.reason
    old.content, old.checksum, old.line, old.in_log = content, row.checksum, row.line, True
    old.accepted, old.reason = not reason, reason
    if not was_in_log:
        yield _changed(session, old, "returned", None, content, now)
    elif old_content != content:
        yield _changed(session, old, "changed", old_content, content, now)
    if old_reason != reason:
        yield _changed(session, old, "selection", {"reason": old_reason}, {"reason": reason}, now)


def _changed(
    session: Session, row: ObservationRow, kind: str, before: object, after: object, now: dt.datetime
) -> _Noted:
    change = ObservationChange(
        night=row.night, source=row.source, kind=kind, before=before, after=after, at_utc=now
    )  # fmt: skip
    session.add(change)
    row.changed_utc = now
    return row, change


def history(catalog: Catalog, night: Night, source: str) -> tuple[ObservationChange, ...]:
    """Return all changes of a row, the oldest first."""
    with catalog.transaction() as session:
        statement = select(ObservationChange).where(
            ObservationChange.night == night.evening, ObservationChange.source == source
        )
        return tuple(session.scalars(statement.order_by(ObservationChange.id)))


def sources_of(catalog: Catalog, night: Night) -> tuple[str, ...]:
    """Return the sources that the log has in a night, accepted or not."""
    with catalog.transaction() as session:
        statement = select(ObservationRow.source).where(ObservationRow.night == night.evening, ObservationRow.in_log)
        return tuple(session.scalars(statement.order_by(ObservationRow.source)))
