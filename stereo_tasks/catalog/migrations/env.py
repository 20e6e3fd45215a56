"""Alembic's environment: `stereo_tasks.catalog.session.migrate` hands over an open connection."""

from __future__ import annotations

from alembic import context

from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.session import engine

# Own name: Airflow has a table alembic_version, should both ever share a database.
VERSION_TABLE = "stereo_catalog_version"


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    with engine().connect() as connection:  # alembic's own command line, when a revision is written
        _migrate(connection)


def _migrate(connection: object) -> None:
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
