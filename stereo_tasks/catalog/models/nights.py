"""Tables of what is known of nights: the log, their files, and what was handed on and processed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    Identity,
    Index,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from stereo_tasks.catalog.models.base import NOW, Base


class ObservationRow(Base):
    """A row of the stereo log as it is now."""

    __tablename__ = "observations"
    __table_args__ = (Index(None, "source", "night"),)

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]
    """The cells, as `Observation.content` gives them."""
    checksum: Mapped[str]
    line: Mapped[int]
    accepted: Mapped[bool]
    reason: Mapped[str]
    """Why it was rejected; empty when accepted."""
    in_log: Mapped[bool]
    """False when the row has left the log, or cannot be read any more."""
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    changed_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class ObservationChange(Base):
    """One change of a row of the stereo log, or of the verdict on it."""

    __tablename__ = "observation_changes"
    __table_args__ = (Index(None, "night", "source"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    night: Mapped[dt.date]
    source: Mapped[str]
    kind: Mapped[str]
    """``added``, ``changed``, ``removed``, ``returned`` or ``selection``."""
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    at_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class ReadinessRow(Base):
    """What was there, and what was missing, when the files were last looked at."""

    __tablename__ = "readiness"
    __table_args__ = (Index(None, "production", "night"),)

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    ready: Mapped[bool]
    partial: Mapped[bool]
    present: Mapped[list[Any]]
    missing: Mapped[list[Any]]
    remarks: Mapped[list[Any]]
    files_changed_utc: Mapped[dt.datetime | None]
    waiting_since_utc: Mapped[dt.datetime | None]
    """When it was first seen not ready since it was last ready; None when it is ready."""
    content: Mapped[str] = mapped_column(server_default=text("''"))
    """SHA-256 of the row of the log and its files, as a dispatch of it has it; empty when it was never looked at so."""
    checked_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class Dispatch(Base):
    """A night that was handed on for processing: one row for each content of an observation of it."""

    __tablename__ = "dispatches"
    __table_args__ = (Index(None, "production", "night", "dispatched_utc"),)

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    dispatched_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    """When it was handed on last."""
    taken_utc: Mapped[dt.datetime | None]
    """When a run planned this content; None as long as none has."""
    taken_by: Mapped[str | None]
    """Id of that run."""


class NightLock(Base):
    """Who processes a night. The primary key is the lock."""

    __tablename__ = "night_locks"

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    """Id of the run that holds it."""
    since_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class LogVersion(Base):
    """A content of the stereo log: one row each time it became another one."""

    __tablename__ = "log_versions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    origin: Mapped[str]
    """Path, or URL without credentials."""
    checksum: Mapped[str]
    etag: Mapped[str]
    last_modified: Mapped[str]
    """As the web server said it; empty for a file."""
    rows: Mapped[int]
    problems: Mapped[list[Any]]
    """Of rows that could not be read, in words."""
    added: Mapped[int]
    changed: Mapped[int]
    removed: Mapped[int]
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    last_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class ProcessingRun(Base):
    """A run of `process_night`, and how it ended."""

    __tablename__ = "processing_runs"
    __table_args__ = (Index(None, "production", "night", "started_utc"),)

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    """``running``, ``done``, ``failed``, ``nothing``, ``locked`` or ``taken``; see `processing_runs`."""
    lines: Mapped[list[Any]]
    """What it said at its end, for a person."""
    choice: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What it was asked for, if it was locked out: sources and force."""
    started_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    ended_utc: Mapped[dt.datetime | None]


class TelescopeRun(Base):
    """The files of one run of one telescope, as last seen."""

    __tablename__ = "telescope_runs"

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    telescope: Mapped[str] = mapped_column(primary_key=True)
    """``LST-1``, ``M1`` or ``M2``."""
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(primary_key=True)
    """Of the DL1 of LST-1, such as ``v0.10/tailcut84``; empty for MAGIC."""
    source: Mapped[str]
    """As the names of MAGIC's files say; empty for LST-1."""
    subruns: Mapped[int]
    first_subrun: Mapped[int]
    last_subrun: Mapped[int]
    missing: Mapped[list[Any]]
    """Subruns that are missing inside the sequence."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    changed_utc: Mapped[dt.datetime]
