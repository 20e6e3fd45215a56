"""The journal as rows of the catalog, and the other way round."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Date, DateTime, Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import holds, publications
from stereo_tasks.catalog.journaling import Kind
from stereo_tasks.catalog.models import (
    Dispatch,
    HoldRow,
    JobRow,
    LogVersion,
    ObservationChange,
    ObservationRow,
    ProcessingRun,
    Publication,
    ReadinessRow,
    Request,
)
from stereo_tasks.products.journal import Entry

_log = logging.getLogger(__name__)
_BATCH = 2000
Row = dict[str, Any]

TABLES = (
    ObservationRow, ObservationChange, LogVersion, ReadinessRow, Publication, HoldRow, Dispatch, Request, ProcessingRun,
    JobRow,
)  # fmt: skip
"""What the journal gives."""


@dataclass(slots=True)
class _Replayed:
    """Rows that become of the entries; of rows with the same key the last one counts, except where it says so."""

    dispatches: dict[Any, Row] = field(default_factory=dict)
    """Here the first."""
    runs: dict[Any, Row] = field(default_factory=dict)
    jobs: dict[Any, Row] = field(default_factory=dict)
    readiness: dict[Any, Row] = field(default_factory=dict)
    publications: dict[Any, Row] = field(default_factory=dict)
    observations: dict[Any, Row] = field(default_factory=dict)
    changes: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    readings: list[Row] = field(default_factory=list)
    holds: list[tuple[Kind, dt.datetime, Row]] = field(default_factory=list)


def replay(session: Session, entries: Iterable[Entry]) -> int:
    """Write the rows that the entries of a journal give into empty tables; return how many entries were understood.

    Entries are taken by their time, which is that of the database in which they were made. One that is not understood
    is left out with a warning.
    """
    found = _Replayed()
    count = 0
    for entry in sorted(entries, key=lambda one: one["at"]):
        try:
            _TAKERS[Kind(entry["kind"])](found, entry, entry["at"])
            count += 1
        except (KeyError, ValueError, TypeError) as error:
            _log.warning("an entry %s of the journal is left out: %s %s", entry, type(error).__name__, error)
    _write(session, found)
    return count


def write_rows(session: Session, table: Any, rows: Iterable[Row]) -> None:
    """Insert rows in batches."""
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _BATCH:
            session.connection().execute(insert(table), waiting)
            waiting = []
    if waiting:
        session.connection().execute(insert(table), waiting)


def _write(session: Session, found: _Replayed) -> None:
    for table, rows in (
        (ObservationRow, found.observations.values()), (ObservationChange, found.changes),
        (LogVersion, found.readings), (ReadinessRow, found.readiness.values()),
        (Publication, found.publications.values()), (Dispatch, found.dispatches.values()), (Request, found.requests),
        (ProcessingRun, found.runs.values()), (JobRow, found.jobs.values()),
    ):  # fmt: skip
        write_rows(session, table, rows)
    for kind, at, row in found.holds:  # few, and not simple: the same statements as when they were made
        if kind == Kind.HOLD:
            holds.put(session, row, at)
        else:
            holds.take_away(session, row, at)


def _typed(table: type, entry: Entry, at_column: str = "", **more: Any) -> Row:
    """Return the columns of a table out of an entry. Missing ones are an error, others are left out."""
    columns: Table = table.__table__  # type: ignore[attr-defined]
    row: Row = dict(more)
    if at_column:
        row[at_column] = entry["at"]
    for column in columns.columns:
        if column.name in row or column.identity is not None:
            continue
        value = entry[column.name]
        if isinstance(value, str) and isinstance(column.type, DateTime):
            value = dt.datetime.fromisoformat(value)
        elif isinstance(value, str) and isinstance(column.type, Date):
            value = dt.date.fromisoformat(value)
        row[column.name] = value
    return row


def _hold(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(HoldRow, entry, "held_utc", released_by=None, released_utc=None)
    found.holds.append((Kind.HOLD, at, {name: row[name] for name in row if not name.startswith(("rel", "held_u"))}))


def _release(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = {name: entry[name] for name in ("production", "source", "released_by")}
    found.holds.append((Kind.RELEASE, at, {**row, "night": dt.date.fromisoformat(entry["night"])}))


def _request(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(Dispatch, entry, "dispatched_utc", taken_utc=None, taken_by=None)
    found.dispatches.setdefault((row["night"], row["production"], row["content"]), row)


def _ask(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    found.requests.append(_typed(Request, entry, "requested_utc"))


def _run_begins(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(ProcessingRun, entry, "started_utc", state="running", lines=[], ended_utc=None)
    found.runs[row["night"], row["production"], row["run_id"]] = row


def _run_ends(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(ProcessingRun, entry, "ended_utc", started_utc=at)
    key = row["night"], row["production"], row["run_id"]
    if key in found.runs:
        row["started_utc"] = found.runs[key]["started_utc"]
    found.runs[key] = row


def _job(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(JobRow, entry)
    found.jobs[row["token"], row["job"]] = row


def _readiness(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(ReadinessRow, entry, "checked_utc")
    found.readiness[row["night"], row["source"], row["production"]] = row


def _publication(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    row = _typed(Publication, entry, "published_utc")
    found.publications[tuple(row[name] for name in publications.KEY)] = row


def _reading(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    if found.readings:  # it was the content until the next one came
        found.readings[-1]["last_seen_utc"] = at
    found.readings.append(_typed(LogVersion, entry, "first_seen_utc", last_seen_utc=at))


def _observation(found: _Replayed, entry: Entry, at: dt.datetime) -> None:
    change = _typed(ObservationChange, entry, "at_utc", kind=entry["change"])
    key = change["night"], change["source"]
    old = found.observations.get(key)
    kind, reason = change["kind"], entry["reason"]
    new = {
        "night": change["night"], "source": change["source"], "content": old["content"] if old else change["after"],
        "checksum": entry["checksum"], "line": entry["line"], "accepted": not reason, "reason": reason,
        "in_log": kind != "removed", "first_seen_utc": old["first_seen_utc"] if old else at, "changed_utc": at,
    }  # fmt: skip
    if kind in ("added", "changed", "returned"):
        new["content"] = change["after"]
    found.observations[key] = new
    found.changes.append(change)


_TAKERS: dict[Kind, Callable[[_Replayed, Entry, dt.datetime], None]] = {
    Kind.HOLD: _hold, Kind.RELEASE: _release, Kind.REQUEST: _request, Kind.ASK: _ask, Kind.RUN_BEGINS: _run_begins,
    Kind.RUN_ENDS: _run_ends, Kind.JOB: _job, Kind.READINESS: _readiness, Kind.PUBLICATION: _publication,
    Kind.LOG_READING: _reading, Kind.OBSERVATION: _observation,
}  # fmt: skip


def unknown_to(entries: Iterable[Entry], session: Session) -> dict[tuple[Kind, dt.datetime], list[Row]]:
    """Return entries for the rows that a journal does not have, by kind and time.

    Such rows were written by a program that kept no journal yet, or the journal was lost.
    """
    known = {_identity(Kind(one["kind"]), one["at"], one) for one in entries if one["kind"] in set(Kind)}
    missing: defaultdict[tuple[Kind, dt.datetime], list[Row]] = defaultdict(list)
    for kind, at, row in _rows_as_entries(session):
        if _identity(kind, at, row) not in known:
            missing[kind, at].append(row)
    return missing


_IDENTITY: dict[Kind, tuple[str, ...]] = {
    Kind.HOLD: ("night", "production", "source", "at"), Kind.RELEASE: ("night", "production", "source", "at"),
    Kind.REQUEST: ("night", "production", "content"), Kind.ASK: ("night", "production", "at"),
    Kind.RUN_BEGINS: ("night", "production", "run_id"), Kind.RUN_ENDS: ("night", "production", "run_id"),
    Kind.JOB: ("token", "job"), Kind.READINESS: ("night", "production", "source"), Kind.PUBLICATION: publications.KEY,
    Kind.LOG_READING: ("at",), Kind.OBSERVATION: ("night", "source", "change", "at"),
}  # fmt: skip


def _identity(kind: Kind, at: dt.datetime, entry: Row) -> tuple[str, ...]:
    return (kind, *(str(at.astimezone(dt.UTC) if name == "at" else entry.get(name)) for name in _IDENTITY[kind]))


def _rows_as_entries(session: Session) -> Iterator[tuple[Kind, dt.datetime, Row]]:
    for row in _all(session, HoldRow):
        yield Kind.HOLD, row["held_utc"], row
        if row["released_utc"] is not None and row["released_by"] != holds.ENDED:
            yield Kind.RELEASE, row["released_utc"], row
    for row in _all(session, ProcessingRun):
        if row["started_utc"] != row["ended_utc"]:  # else: its beginning was never written
            yield Kind.RUN_BEGINS, row["started_utc"], row
        if row["ended_utc"] is not None:
            yield Kind.RUN_ENDS, row["ended_utc"], row
    for row in _all(session, JobRow):
        yield Kind.JOB, row["ended_utc"] or row["started_utc"] or row["submitted_utc"] or _LONG_AGO, row
    for kind, table, at in (
        (Kind.REQUEST, Dispatch, "dispatched_utc"), (Kind.ASK, Request, "requested_utc"),
        (Kind.READINESS, ReadinessRow, "checked_utc"), (Kind.PUBLICATION, Publication, "published_utc"),
        (Kind.LOG_READING, LogVersion, "first_seen_utc"),
    ):  # fmt: skip
        for row in _all(session, table):
            yield kind, row[at], row
    yield from _changes_as_entries(session)


def _changes_as_entries(session: Session) -> Iterator[tuple[Kind, dt.datetime, Row]]:
    now = {(row["night"], row["source"]): row for row in _all(session, ObservationRow)}
    for row in _all(session, ObservationChange):
        # The verdict of then is not known; the last change of a row leaves the right one.
        last = now[row["night"], row["source"]]
        verdict = {name: last[name] for name in ("reason", "checksum", "line")}
        yield Kind.OBSERVATION, row["at_utc"], {**row, **verdict, "change": row["kind"]}


_LONG_AGO = dt.datetime(2018, 10, 10, tzinfo=dt.UTC)


def _all(session: Session, table: Any) -> Iterator[Row]:
    columns = table.__table__.columns
    for row in session.execute(select(*columns).order_by(*table.__table__.primary_key.columns)).mappings():
        yield {name: value for name, value in row.items() if name != "id"}
