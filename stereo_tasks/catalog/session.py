"""Reaching the catalog's database, and bringing its tables up to date."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from stereo_tasks.settings import Settings, load_settings

URL_VARIABLE = "STEREO_CATALOG_URL"
_MIGRATION_LOCK = 0x57E2E0  # an arbitrary number that only migrations of the catalog use
_alembic = threading.Lock()  # Alembic keeps its context in a module: one migration at a time in a process
_UNDEFINED = {"42P01", "42703"}  # SQLSTATE: no such table, no such column
_UNREACHABLE = ("08", "28", "3D", "53", "57")  # classes: connection, login, database, resources, shut down


class CatalogError(Exception):
    """The catalog cannot be used; the text says why and what to do."""


def catalog_url(settings: Settings | None = None) -> str:
    """Return the URL of the catalog: ``$STEREO_CATALOG_URL``, else ``site.airflow.catalog_url`` of the settings.

    Raises
    ------
    CatalogError
        If neither names a PostgreSQL database.
    """
    url = os.environ.get(URL_VARIABLE) or (settings or load_settings()).site.airflow.catalog_url
    if not url:
        raise CatalogError(
            f"the catalog has no database: start the site (its embedded PostgreSQL sets {URL_VARIABLE}), "
            "or give airflow.catalog_url in config/site.yaml"
        )
    return url


def engine(settings: Settings | str | None = None) -> Engine:
    """Return an engine for the catalog.

    It keeps no connection open between uses, since Airflow forks and a forked connection is shared by two processes.

    Parameters
    ----------
    settings : Settings or str, optional
        Settings, or the URL itself; the settings of the site by default.

    Raises
    ------
    CatalogError
        If there is no URL, or it is not one of PostgreSQL.
    """
    try:
        url = make_url(settings if isinstance(settings, str) else catalog_url(settings))
    except ArgumentError:
        raise CatalogError(f"the catalog's URL is not one: write {_EXAMPLE}") from None
    if url.get_backend_name() != "postgresql":
        raise CatalogError(f"the catalog needs PostgreSQL, not {url.get_backend_name()}: write {_EXAMPLE}")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg2")  # the driver that Airflow brings
    return create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": 10, "application_name": "stereo catalog"}
    )


_EXAMPLE = "postgresql+psycopg2://user@host/catalog"


@contextmanager
def transaction(engine_: Engine | None = None) -> Iterator[Session]:
    """Open a session in one transaction: committed when the block ends, rolled back when it raises.

    Raises
    ------
    CatalogError
        If the database does not answer, or its tables are not there.
    """
    try:
        with Session(engine_ or engine(), expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, ProgrammingError) as error:
        if explanation := _explanation(error):
            raise CatalogError(explanation) from error
        raise


def migrate(url: str | None = None) -> None:
    """Create the catalog's tables or bring them up to date; safe to call at any time, by several at once.

    Parameters
    ----------
    url : str, optional
        URL of the database, which must exist; `catalog_url` by default.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    try:
        with _alembic, engine(url).connect() as connection:
            # Held by the connection, so that it goes with it however this ends.
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except OperationalError as error:
        if explanation := _explanation(error):
            raise CatalogError(explanation) from error
        raise


def _explanation(error: OperationalError | ProgrammingError) -> str:
    """Return what an operator should know about an error of the database; empty if it is another kind of error."""
    code = str(getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None) or "")
    if code in _UNDEFINED:
        return "the catalog lacks tables or columns: bring it up to date (stereo up, or migrate())"
    if isinstance(error, OperationalError) and (not code or code.startswith(_UNREACHABLE)):
        # The driver's text names host and port, never the password.
        return f"the catalog's database does not answer: {str(error.orig).strip()}"
    return ""
