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
    checked_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class Dispatch(Base):
    """A night that was handed on for processing: one row for each content of an observation of it."""

    __tablename__ = "dispatches"
    __table_args__ = (Index(None, "production", "night", "dispatched_utc"),)

    night: Mapped[dt.date] = mapped_column(primary_key=True)
    production: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    dispatched_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
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
    __table_args__ = (Index(None, "night", "production"), Index(None, "production", "night", "source", "ingested_utc"))

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

    __tablename__ = "publications"
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
    until_utc: Mapped[dt.datetime | None]
    """When it ends by itself; None: when somebody releases it."""
    released_by: Mapped[str | None]
    release_reason: Mapped[str | None]
    released_utc: Mapped[dt.datetime | None]


class EngineSuspension(Base):
    """A stage whose kernel made something else than magic-cta-pipe: it is out of use until a person allows it again."""

    __tablename__ = "engine_suspensions"
    __table_args__ = (
        # One open suspension of a stage at a time; those that were lifted are kept.
        Index("uq_engine_suspensions_open", "stage", unique=True, postgresql_where=text("allowed_utc IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    stage: Mapped[str]
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    reason: Mapped[str]
    """What differed where."""
    suspended_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    allowed_utc: Mapped[dt.datetime | None]
    allowed_by: Mapped[str | None]
    allowed_reason: Mapped[str | None]


class WithdrawalRow(Base):
    """A person's decision that a published run, or a whole night of a source, is not to be used."""

    __tablename__ = "withdrawals"
    __table_args__ = (
        # One open withdrawal of a thing at a time; those that were lifted are kept.
        Index(
            "uq_withdrawals_open", "production", "night", "source", "run", unique=True,
            postgresql_where=text("lifted_utc IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    run: Mapped[int]
    """Of LST-1; 0: the whole night."""
    reason: Mapped[str]
    withdrawn_by: Mapped[str]
    withdrawn_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    lifted_by: Mapped[str | None]
    lifted_reason: Mapped[str | None]
    lifted_utc: Mapped[dt.datetime | None]


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
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    last_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


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
    started_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    ended_utc: Mapped[dt.datetime | None]


class Request(Base):
    """A night that a person asked for, and what was answered."""

    __tablename__ = "requests"
    __table_args__ = (Index(None, "production", "night", "id"), Index(None, "backfill"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    night: Mapped[dt.date]
    production: Mapped[str]
    backfill: Mapped[str]
    """Id of Airflow's backfill or run; empty if there was none."""
    outcome: Mapped[str]
    """``requested``, ``nothing``, ``waiting``, ``refused`` or ``dry run``."""
    reason: Mapped[str]
    sources: Mapped[list[Any]]
    """Only these; empty: all."""
    force: Mapped[bool]
    requested_by: Mapped[str]
    requested_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class JobRow(Base):
    """A job of an array, as the place that ran it accounts for it."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "production", "night", "source"), Index(None, "state"))

    token: Mapped[str] = mapped_column(primary_key=True)
    """Of the array."""
    job: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number within the array."""
    job_id: Mapped[str]
    """The place's own name of the job."""
    attempt: Mapped[int]
    plan_path: Mapped[str]
    stage: Mapped[str]
    """The stage or the chain of stages that it began with."""
    production: Mapped[str]
    night: Mapped[dt.date | None]
    source: Mapped[str]
    elements: Mapped[list[Any]]
    """Indices of its elements in the plan; until 0.2 in the stage."""
    state: Mapped[str]
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    reason: Mapped[str]
    node: Mapped[str]
    submitted_utc: Mapped[dt.datetime | None]
    started_utc: Mapped[dt.datetime | None]
    ended_utc: Mapped[dt.datetime | None]
    elapsed_s: Mapped[float | None]
    queue_wait_s: Mapped[float | None]
    max_rss_mb: Mapped[float | None]
    restarts: Mapped[int]


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


class ProductRow(Base):
    """A file that an element made."""

    __tablename__ = "products"
    __table_args__ = (Index(None, "record_path"), Index(None, "production", "night", "source"))

    path: Mapped[str] = mapped_column(primary_key=True)
    record_path: Mapped[str]
    production: Mapped[str]
    night: Mapped[dt.date | None]
    source: Mapped[str]
    stage: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    checksum: Mapped[str]
    """SHA-256; empty where none was taken."""


class QaRow(Base):
    """The verdict of the QA page of a night and source."""

    __tablename__ = "qa"
    __table_args__ = (Index(None, "verdict"),)

    production: Mapped[str] = mapped_column(primary_key=True)
    night: Mapped[dt.date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    """``good``, ``warning`` or ``bad``."""
    reason: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    runs: Mapped[dict[str, Any]]
    """Verdict of each LST-1 run, by its number."""
    page: Mapped[str]


class RunVerdict(Base):
    """What QA says of an LST-1 run, and what it said before."""

    __tablename__ = "run_verdicts"
    __table_args__ = (
        # One that counts at a time; those before are kept.
        Index(
            "uq_run_verdicts_current", "production", "night", "source", "run", unique=True,
            postgresql_where=text("superseded_utc IS NULL"),
        ),
        Index(None, "production", "source", "night"),
        Index(None, "run"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    run: Mapped[int]
    """Of LST-1; the observation id of its DL3."""
    level: Mapped[str]
    """``good``, ``warning`` or ``bad``."""
    reasons: Mapped[list[Any]]
    """Why it is not good, one line each."""
    metrics: Mapped[dict[str, Any]]
    """By name: value and level of each, and what else QA says of it."""
    zenith_deg: Mapped[float | None]
    live_time_s: Mapped[float | None]
    plan: Mapped[str]
    """Digest of the plan whose products were judged; empty if QA did not say."""
    judged_utc: Mapped[dt.datetime]
    """When the file was written that said this first."""
    superseded_utc: Mapped[dt.datetime | None]
    """When another one, or none, was read in; None: it counts."""


class Overrule(Base):
    """A person's level of a run, which counts instead of that of QA until it is lifted."""

    __tablename__ = "overrules"
    __table_args__ = (
        # One open overrule of a run at a time; lifted ones are kept.
        Index(
            "uq_overrules_open", "production", "night", "source", "run", unique=True,
            postgresql_where=text("lifted_utc IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    source: Mapped[str]
    run: Mapped[int]
    level: Mapped[str]
    """``good``, ``warning`` or ``bad``."""
    verdict: Mapped[str]
    """What QA said then."""
    reason: Mapped[str]
    decided_by: Mapped[str]
    decided_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    lifted_by: Mapped[str | None]
    lifted_utc: Mapped[dt.datetime | None]
    lift_reason: Mapped[str | None]


class SignOffRow(Base):
    """A person looked at a night: its verdicts and what was published of it then."""

    __tablename__ = "sign_offs"
    __table_args__ = (Index(None, "production", "night", "decided_utc"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    production: Mapped[str]
    night: Mapped[dt.date]
    remark: Mapped[str]
    signed: Mapped[dict[str, Any]]
    """What was looked at: see `sign_offs.Evidence`."""
    decided_by: Mapped[str]
    decided_utc: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    lifted_by: Mapped[str | None]
    lifted_utc: Mapped[dt.datetime | None]
    lift_reason: Mapped[str | None]
