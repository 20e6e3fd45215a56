"""Stages whose kernel is out of use.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "engine_withdrawals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("production", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "withdrawn_utc", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("allowed_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_by", sa.Text(), nullable=True),
        sa.Column("allowed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_withdrawals")),
    )
    op.create_index(
        "uq_engine_withdrawals_open", "engine_withdrawals", ["stage"], unique=True,
        postgresql_where=sa.text("allowed_utc IS NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("engine_withdrawals")
