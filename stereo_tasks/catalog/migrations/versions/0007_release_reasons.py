"""Why a hold was released.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("holds", sa.Column("release_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("holds", "release_reason")
