"""Verdicts of runs, and what people say of them: overrules and sign-offs.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "run_verdicts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("production", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("reasons", JSONB(), nullable=False),
        sa.Column("metrics", JSONB(), nullable=False),
        sa.Column("zenith_deg", sa.Float(), nullable=True),
        sa.Column("live_time_s", sa.Float(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("judged_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_utc", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_verdicts")),
    )
    op.create_index(
        "uq_run_verdicts_current", "run_verdicts", ["production", "night", "source", "run"], unique=True,
        postgresql_where=sa.text("superseded_utc IS NULL"),
    )
    op.create_index(
        op.f("ix_run_verdicts_production_source_night"), "run_verdicts", ["production", "source", "night"]
    )
    op.create_index(op.f("ix_run_verdicts_run"), "run_verdicts", ["run"])
    op.create_table(
        "overrules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("production", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_decision(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overrules")),
    )
    op.create_index(
        "uq_overrules_open", "overrules", ["production", "night", "source", "run"], unique=True,
        postgresql_where=sa.text("lifted_utc IS NULL"),
    )
    op.create_table(
        "sign_offs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("production", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("signed", JSONB(), nullable=False),
        *_decision(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_offs")),
    )
    op.create_index(
        op.f("ix_sign_offs_production_night_decided_utc"), "sign_offs", ["production", "night", "decided_utc"]
    )


def downgrade() -> None:
    """Undo. The decisions are in their files, too; verdicts are read in again, without those before them."""
    for table in ("sign_offs", "overrules", "run_verdicts"):
        op.drop_table(table)


def _decision() -> list[sa.Column[Any]]:
    """Return the columns of what a person decides, and lifts again."""
    return [
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column(
            "decided_utc", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
    ]
