"""Alembic's environment: `stereo_tasks.catalog.schema` hands over an open connection."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.schema import VERSION_TABLE


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_migrate(context.config.attributes["connection"])
