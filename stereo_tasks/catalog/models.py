"""Tables of the catalog. Nights are evening dates; times carry their zone and come from the database's clock."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        dt.date: Date,
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


_NOW = func.clock_timestamp()


class ObservationRow(Base):
    """A row of the stereo log as it is now."""

    __tablename__ = "observations"

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
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    changed_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


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
    at_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class ReadinessRow(Base):
    """The readiness ledger: what was there, and what was missing, when the files were last looked at."""

    __tablename__ = "readiness"

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    ready: Mapped[bool]
    partial: Mapped[bool]
    present: Mapped[list[Any]]
    missing: Mapped[list[Any]]
    remarks: Mapped[list[Any]]
    files_changed_utc: Mapped[dt.datetime | None]
    checked_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class RequestRow(Base):
    """A night that was handed on for processing, with the content it then had."""

    __tablename__ = "requests"

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    signature: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    emitted_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class NightLock(Base):
    """Who processes a night. The primary key is the lock."""

    __tablename__ = "night_locks"

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    """Id of the run that holds it."""
    since_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class ProductionRow(Base):
    """A named way of processing that plans were made for."""

    __tablename__ = "productions"

    name: Mapped[str] = mapped_column(primary_key=True)
    versions: Mapped[dict[str, Any]]
    """Of the latest plan."""
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class PlanRow(Base):
    """A plan whose records were read in."""

    __tablename__ = "plans"
    __table_args__ = (Index(None, "night", "production"),)

    path: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    production: Mapped[str] = mapped_column(ForeignKey("productions.name"))
    name: Mapped[str]
    night: Mapped[dt.date | None]
    source: Mapped[str]
    stages: Mapped[dict[str, Any]]
    """Number of elements of each stage."""
    holds: Mapped[list[Any]]
    """Of the plan: subject and reason of each."""
    ingested_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class ElementRecord(Base):
    """What became of one element, copied from the record beside its product."""

    __tablename__ = "element_records"
    __table_args__ = (Index(None, "plan_path", "stage"), Index(None, "night", "production"), Index(None, "state"))

    record_path: Mapped[str] = mapped_column(primary_key=True)
    plan_path: Mapped[str] = mapped_column(ForeignKey("plans.path"))
    """The plan that was read in last and has this element."""
    production: Mapped[str]
    night: Mapped[dt.date | None]
    source: Mapped[str]
    element: Mapped[str]
    stage: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    fingerprint: Mapped[str]
    made_for_plan: Mapped[str]
    """The plan under which the element was worked on, as the record says."""
    lost: Mapped[list[Any]]
    counts: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    host: Mapped[str]
    job: Mapped[str]
    attempt: Mapped[int]
    started_utc: Mapped[str]
    ended_utc: Mapped[str]
    elapsed_s: Mapped[float]
    cpu_s: Mapped[float]
    peak_memory_mb: Mapped[float]
    log: Mapped[str]


class Publication(Base):
    """DL3 and index of a night and source that were made visible."""

    __tablename__ = "published"
    __table_args__ = (
        UniqueConstraint("production", "night", "source", "cuts", "path"),
        Index(None, "night", "production"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    cuts: Mapped[str]
    path: Mapped[str]
    """Where the link pointed when it was published."""
    plan: Mapped[str]
    verdict: Mapped[str]
    """Of QA; empty when there was none."""
    published_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class HoldRow(Base):
    """A person's decision that a night, or a source of it, waits."""

    __tablename__ = "holds"
    __table_args__ = (
        # One open hold on a thing at a time; released ones are kept.
        Index(
            "uq_holds_open", "production", "night", "source", unique=True, postgresql_where=text("released_utc IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    """Empty: the whole night."""
    reason: Mapped[str]
    held_by: Mapped[str]
    held_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    released_by: Mapped[str | None]
    released_utc: Mapped[dt.datetime | None]
