"""Runs, jobs, products, QA and what was asked for; holds that end by themselves.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('asks',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('night', sa.Date(), nullable=False),
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('backfill', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('sources', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('force', sa.Boolean(), nullable=False),
    sa.Column('asked_by', sa.Text(), nullable=False),
    sa.Column('asked_utc', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_asks'))
    )
    op.create_index(op.f('ix_asks_backfill'), 'asks', ['backfill'], unique=False)
    op.create_index(op.f('ix_asks_production_night_id'), 'asks', ['production', 'night', 'id'], unique=False)
    op.create_table('jobs',
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('job', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('job_id', sa.Text(), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('plan_path', sa.Text(), nullable=False),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('night', sa.Date(), nullable=True),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('elements', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('exit_code', sa.Integer(), nullable=True),
    sa.Column('signal', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('node', sa.Text(), nullable=False),
    sa.Column('submitted_utc', sa.DateTime(timezone=True), nullable=True),
    sa.Column('started_utc', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_utc', sa.DateTime(timezone=True), nullable=True),
    sa.Column('elapsed_s', sa.Double(), nullable=True),
    sa.Column('queue_wait_s', sa.Double(), nullable=True),
    sa.Column('max_rss_mb', sa.Double(), nullable=True),
    sa.Column('restarts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('token', 'job', name=op.f('pk_jobs'))
    )
    op.create_index(op.f('ix_jobs_production_night_source'), 'jobs', ['production', 'night', 'source'], unique=False)
    op.create_index(op.f('ix_jobs_state'), 'jobs', ['state'], unique=False)
    op.create_table('log_readings',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('checksum', sa.Text(), nullable=False),
    sa.Column('etag', sa.Text(), nullable=False),
    sa.Column('last_modified', sa.Text(), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('problems', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('added', sa.Integer(), nullable=False),
    sa.Column('changed', sa.Integer(), nullable=False),
    sa.Column('removed', sa.Integer(), nullable=False),
    sa.Column('first_seen_utc', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('last_seen_utc', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_log_readings'))
    )
    op.create_table('night_runs',
    sa.Column('night', sa.Date(), nullable=False),
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('lines', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('started_utc', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('ended_utc', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('night', 'production', 'run_id', name=op.f('pk_night_runs'))
    )
    op.create_index(op.f('ix_night_runs_production_night_started_utc'), 'night_runs', ['production', 'night', 'started_utc'], unique=False)
    op.create_table('products',
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('record_path', sa.Text(), nullable=False),
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('night', sa.Date(), nullable=True),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('checksum', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('path', name=op.f('pk_products'))
    )
    op.create_index(op.f('ix_products_production_night_source'), 'products', ['production', 'night', 'source'], unique=False)
    op.create_index(op.f('ix_products_record_path'), 'products', ['record_path'], unique=False)
    op.create_table('qa',
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('night', sa.Date(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('metrics', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('runs', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('page', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('production', 'night', 'source', name=op.f('pk_qa'))
    )
    op.create_index(op.f('ix_qa_verdict'), 'qa', ['verdict'], unique=False)
    op.create_table('runs',
    sa.Column('night', sa.Date(), nullable=False),
    sa.Column('telescope', sa.Text(), nullable=False),
    sa.Column('run', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('subruns', sa.Integer(), nullable=False),
    sa.Column('first_subrun', sa.Integer(), nullable=False),
    sa.Column('last_subrun', sa.Integer(), nullable=False),
    sa.Column('missing', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('changed_utc', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('night', 'telescope', 'run', 'version', name=op.f('pk_runs'))
    )
    op.add_column('holds', sa.Column('until_utc', sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f('ix_observations_source_night'), 'observations', ['source', 'night'], unique=False)
    op.create_index(op.f('ix_plans_production_night_source_ingested_utc'), 'plans', ['production', 'night', 'source', 'ingested_utc'], unique=False)
    op.add_column('readiness', sa.Column('waiting_since_utc', sa.DateTime(timezone=True), nullable=True))
    op.add_column('readiness', sa.Column('content', sa.Text(), server_default=sa.text("''"), nullable=False))
    # The older program did not write since when: it is at least as long ago as the last look.
    op.execute("UPDATE readiness SET waiting_since_utc = checked_utc WHERE NOT ready")
    op.create_index(op.f('ix_readiness_production_night'), 'readiness', ['production', 'night'], unique=False)
    op.create_index(op.f('ix_requests_production_night_emitted_utc'), 'requests', ['production', 'night', 'emitted_utc'], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f('ix_requests_production_night_emitted_utc'), table_name='requests')
    op.drop_index(op.f('ix_readiness_production_night'), table_name='readiness')
    op.drop_column('readiness', 'content')
    op.drop_column('readiness', 'waiting_since_utc')
    op.drop_index(op.f('ix_plans_production_night_source_ingested_utc'), table_name='plans')
    op.drop_index(op.f('ix_observations_source_night'), table_name='observations')
    # The older program knows no end: a hold that is over would hold again. One that is not over stays until released.
    op.execute(
        "UPDATE holds SET released_utc = until_utc, released_by = 'its end was reached' "
        "WHERE released_utc IS NULL AND until_utc <= clock_timestamp()"
    )
    op.drop_column('holds', 'until_utc')
    op.drop_table('runs')
    op.drop_index(op.f('ix_qa_verdict'), table_name='qa')
    op.drop_table('qa')
    op.drop_index(op.f('ix_products_record_path'), table_name='products')
    op.drop_index(op.f('ix_products_production_night_source'), table_name='products')
    op.drop_table('products')
    op.drop_index(op.f('ix_night_runs_production_night_started_utc'), table_name='night_runs')
    op.drop_table('night_runs')
    op.drop_table('log_readings')
    op.drop_index(op.f('ix_jobs_state'), table_name='jobs')
    op.drop_index(op.f('ix_jobs_production_night_source'), table_name='jobs')
    op.drop_table('jobs')
    op.drop_index(op.f('ix_asks_production_night_id'), table_name='asks')
    op.drop_index(op.f('ix_asks_backfill'), table_name='asks')
    op.drop_table('asks')
