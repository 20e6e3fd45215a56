"""Kernels that are out of use are suspended; withdrawals and rollbacks are of what is published.

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


def downgrade() -> None:
    """Undo."""
    op.alter_column("engine_suspensions", "suspended_utc", new_column_name="withdrawn_utc")
    op.execute("ALTER SEQUENCE engine_suspensions_id_seq RENAME TO engine_withdrawals_id_seq")
    for before, after in INDICES:
        op.execute(f"ALTER INDEX {after} RENAME TO {before}")
    op.rename_table("engine_suspensions", "engine_withdrawals")
