"""A real PostgreSQL for the session, and an empty catalog for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from stereo_tasks.catalog.database import URL_VARIABLE, Catalog
from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.schema import migrate
from stereo_tasks.local_site.database import EmbeddedPostgres
from stereo_tasks.nights import Night


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a PostgreSQL of its own."""
    # pytest's own folders keep the last three runs, each with a database of 40 MB.
    folder = Path(tempfile.mkdtemp(prefix="catalog-"))
    running = EmbeddedPostgres(folder / "state", folder)
    try:
        running.start()
        url = running.url("postgres")
        with Catalog(url).engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # The database is thrown away: nothing of it must reach the disk.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        yield url
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def fresh(server: str) -> Callable[[str], str]:
    """Make an empty database of this name; gives its URL."""

    def make(name: str) -> str:
        with Catalog(server).engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        return server.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture(scope="session")
def migrated(server: str) -> str:
    migrate(Catalog(server))
    return server


@pytest.fixture
def catalog(migrated: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Catalog:
    """An empty catalog, which is also the default one; what people decide is below `tmp_path`, which is the site."""
    monkeypatch.setenv(URL_VARIABLE, migrated)
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    made = Catalog(migrated, tmp_path / "products" / "decisions")
    with made.engine.begin() as connection:
        connection.execute(text("TRUNCATE " + ", ".join(Base.metadata.tables)))
    return made


@pytest.fixture
def night() -> Night:
    return Night("2020-12-15")
