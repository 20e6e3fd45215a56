"""Reaching the database, and the migrations."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from stereo_tasks.catalog.database import URL_VARIABLE, Catalog, CatalogError, catalog_url
from stereo_tasks.catalog.locks import held_locks
from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.schema import migrate


def test_migrations_and_models_say_the_same(catalog):
    with catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "stereo_catalog_version"})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(migrated, catalog):
    migrate(Catalog(migrated))
    assert "stereo_catalog_version" in inspect(catalog.engine).get_table_names()


def test_processes_may_migrate_at_once(fresh):
    url = fresh("together")
    processes = multiprocessing.get_context("fork")
    together = processes.Barrier(3)

    def race() -> None:
        together.wait(20)
        try:
            migrate(Catalog(url))
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)

    runs = [processes.Process(target=race) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
        run.kill()  # only one that hangs is still there
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert set(Base.metadata.tables) <= set(inspect(Catalog(url).engine).get_table_names())


def test_threads_may_migrate_different_databases(fresh):
    urls = [fresh("first"), fresh("second")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, map(Catalog, urls)))
    for url in urls:
        assert set(Base.metadata.tables) <= set(inspect(Catalog(url).engine).get_table_names())


def test_a_database_without_tables_says_what_to_do(catalog, fresh):
    with pytest.raises(CatalogError, match="up to date"):
        held_locks(Catalog(fresh("bare")))


def test_a_database_that_is_not_there_is_an_error_without_the_password(catalog, tmp_path):
    url = f"postgresql://user:sesame@/x?host={tmp_path}"
    for ask in (lambda: held_locks(Catalog(url)), lambda: migrate(Catalog(url))):
        with pytest.raises(CatalogError, match="does not answer") as caught:
            ask()
        assert "sesame" not in str(caught.value)


def test_the_environment_comes_before_the_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    monkeypatch.setenv(URL_VARIABLE, "postgresql://here/catalog")
    assert catalog_url() == "postgresql://here/catalog"
    monkeypatch.delenv(URL_VARIABLE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site.yaml").write_text("airflow: {catalog_url: 'postgresql://there/catalog'}")
    assert catalog_url() == "postgresql://there/catalog"
    (tmp_path / "config" / "site.yaml").unlink()
    with pytest.raises(CatalogError, match="does not run"):
        catalog_url()


@pytest.mark.parametrize("url", ["sqlite://", "not a url"])
def test_only_postgresql_will_do(url):
    with pytest.raises(CatalogError, match="postgresql"):
        Catalog(url)
