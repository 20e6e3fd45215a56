"""Tables of what is in the output tree: plans, records, products, publications and what QA says of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from stereo_tasks.catalog.models.base import NOW, Base


class ProductionRow(Base):
    """A named way of processing that plans were made for."""

    __tablename__ = "productions"

    name: Mapped[str] = mapped_column(primary_key=True)
    versions: Mapped[dict[str, Any]]
    """Of the latest plan."""
    first_seen_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


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
    ingested_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


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
    published_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


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
    suspended_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    allowed_utc: Mapped[dt.datetime | None]
    allowed_by: Mapped[str | None]
    allowed_reason: Mapped[str | None]


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
