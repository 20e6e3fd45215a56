"""Kernels that are out of use are suspended; what is withdrawn is what was published.

Revision ID: 0006
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

INDICES = (
    ("pk_engine_withdrawals", "pk_engine_suspensions"),
    ("uq_engine_withdrawals_open", "uq_engine_suspensions_open"),
)


def upgrade() -> None:
    """Apply."""
    op.rename_table("engine_withdrawals", "engine_suspensions")
    for before, after in INDICES:
        op.execute(f"ALTER INDEX {before} RENAME TO {after}")
    op.execute("ALTER SEQUENCE engine_withdrawals_id_seq RENAME TO engine_suspensions_id_seq")
    op.alter_column("engine_suspensions", "withdrawn_utc", new_column_name="suspended_utc")
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("production", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=False),
        sa.Column(
            "withdrawn_utc", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_reason", sa.Text(), nullable=True),
        sa.Column("lifted_utc", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
    )
    op.create_index(
        "uq_withdrawals_open", "withdrawals", ["production", "night", "source", "run"], unique=True,
        postgresql_where=sa.text("lifted_utc IS NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("withdrawals")
    op.alter_column("engine_suspensions", "suspended_utc", new_column_name="withdrawn_utc")
    op.execute("ALTER SEQUENCE engine_suspensions_id_seq RENAME TO engine_withdrawals_id_seq")
    for before, after in INDICES:
        op.execute(f"ALTER INDEX {after} RENAME TO {before}")
    op.rename_table("engine_suspensions", "engine_withdrawals")
