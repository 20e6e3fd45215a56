"""Tables of what people decide; each row is a line in the files of decisions, too."""

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
    held_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    until_utc: Mapped[dt.datetime | None]
    """When it ends by itself; None: when somebody releases it."""
    released_by: Mapped[str | None]
    release_reason: Mapped[str | None]
    released_utc: Mapped[dt.datetime | None]


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
    withdrawn_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    lifted_by: Mapped[str | None]
    lifted_reason: Mapped[str | None]
    lifted_utc: Mapped[dt.datetime | None]


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
    requested_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)


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
    decided_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
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
    decided_utc: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    lifted_by: Mapped[str | None]
    lifted_utc: Mapped[dt.datetime | None]
    lift_reason: Mapped[str | None]
