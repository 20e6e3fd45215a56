"""Tables and columns by the words of the glossary; a dispatch is taken by the run that plans it.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# In this order: the new name of one is the old name of the next. With indices and sequences by (old, new) name.
TABLES = (
    ("requests", "dispatches", [
        ("pk_requests", "pk_dispatches"),
        ("ix_requests_production_night_emitted_utc", "ix_dispatches_production_night_dispatched_utc"),
    ]),
    ("asks", "requests", [
        ("pk_asks", "pk_requests"), ("ix_asks_backfill", "ix_requests_backfill"),
        ("ix_asks_production_night_id", "ix_requests_production_night_id"),
    ]),
    ("night_runs", "processing_runs", [
        ("pk_night_runs", "pk_processing_runs"),
        ("ix_night_runs_production_night_started_utc", "ix_processing_runs_production_night_started_utc"),
    ]),
    ("runs", "telescope_runs", [("pk_runs", "pk_telescope_runs")]),
    ("log_readings", "log_versions", [("pk_log_readings", "pk_log_versions")]),
    ("published", "publications", [
        ("pk_published", "pk_publications"), ("ix_published_night_production", "ix_publications_night_production"),
        ("uq_published_production_night_source_cuts_path", "uq_publications_production_night_source_cuts_path"),
    ]),
)  # fmt: skip
COLUMNS = (
    ("dispatches", "signature", "content"),
    ("dispatches", "emitted_utc", "dispatched_utc"),
    ("requests", "asked_by", "requested_by"),
    ("requests", "asked_utc", "requested_utc"),
)
SEQUENCES = ("requests", "log_versions", "publications")
"""Of tables whose id is an identity."""


def upgrade() -> None:
    """Apply."""
    old_names = {new: old for old, new, _ in TABLES}
    for old, new, indices in TABLES:
        op.rename_table(old, new)
        for before, after in indices:
            op.execute(f"ALTER INDEX {before} RENAME TO {after}")
    for table in SEQUENCES:
        op.execute(f"ALTER SEQUENCE {old_names[table]}_id_seq RENAME TO {table}_id_seq")
    for table, before, after in COLUMNS:
        op.alter_column(table, before, new_column_name=after)
    op.add_column("dispatches", sa.Column("taken_utc", sa.DateTime(timezone=True), nullable=True))
    op.add_column("dispatches", sa.Column("taken_by", sa.Text(), nullable=True))
    # For the older program, what was handed on was done with.
    op.execute("UPDATE dispatches SET taken_utc = dispatched_utc, taken_by = ''")
    op.add_column("processing_runs", sa.Column("choice", JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.drop_column("element_records", "made_for_plan")


def downgrade() -> None:
    """Undo."""
    # Records say it themselves; a rebuild by the older program reads it again.
    op.add_column("element_records", sa.Column("made_for_plan", sa.Text(), server_default="", nullable=False))
    op.alter_column("element_records", "made_for_plan", server_default=None)
    # What no run has planned yet must be handed on again: the older program would count it as done.
    op.execute("DELETE FROM dispatches WHERE taken_utc IS NULL")
    op.execute("UPDATE processing_runs SET state = 'locked' WHERE state = 'taken'")
    op.drop_column("processing_runs", "choice")
    op.drop_column("dispatches", "taken_by")
    op.drop_column("dispatches", "taken_utc")
    for table, before, after in reversed(COLUMNS):
        op.alter_column(table, after, new_column_name=before)
    new_names = {new: old for old, new, _ in TABLES}
    for table in SEQUENCES:
        op.execute(f"ALTER SEQUENCE {table}_id_seq RENAME TO {new_names[table]}_id_seq")
    for old, new, indices in reversed(TABLES):
        for before, after in reversed(indices):
            op.execute(f"ALTER INDEX {after} RENAME TO {before}")
        op.rename_table(new, old)
