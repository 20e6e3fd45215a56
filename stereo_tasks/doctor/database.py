"""The catalog: its server, its tables, its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stereo_tasks.catalog.errors import CatalogError, NoCatalogError
from stereo_tasks.doctor.clocks import compare
from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings

if TYPE_CHECKING:
    from stereo_tasks.catalog.database import Catalog

_SLOW_S = 0.5
_BACKUP_AGE_H = 49.0  # one a day: two were missed


def catalog(settings: Settings) -> Iterator[Finding]:
    """Check that the catalog answers, that its tables are of this program's revision, and its clock."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import revisions

    try:
        database = Catalog.of_site(settings)
        begin = time.monotonic()
        yield from _server(database)
        took_s = time.monotonic() - begin
        tables = revisions(database)
    except NoCatalogError as error:
        yield yellow("catalog", str(error), "start the site, and run this again")
        return
    except CatalogError as error:
        yield red("catalog", str(error), "start the site (`stereo up`), or correct airflow.catalog_url")
        return
    if not tables.current:
        yield red("catalog tables", "there are none", "make them: `stereo catalog upgrade`")
    elif not tables.up_to_date:
        yield red("catalog tables", f"revision {tables.current}, not {tables.head}", "run `stereo catalog upgrade`")
    else:
        yield green("catalog tables", f"revision {tables.current}")
    if took_s > _SLOW_S:
        yield yellow("catalog", f"three small questions take {took_s:.1f} s", "look at the load of the database")


def _server(database: Catalog) -> Iterator[Finding]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with database.engine.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
            size_mb = int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0) / 1e6
            before = time.time()
            there = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
            between = (before + time.time()) / 2
    except SQLAlchemyError as error:
        raise CatalogError(f"the catalog's database does not answer: {str(error).splitlines()[0]}") from None
    yield green("catalog", f"PostgreSQL {str(version).split()[0]}, {size_mb:.0f} MB")
    yield compare("clock of the catalog", there - between)


def backup(settings: Settings) -> Iterator[Finding]:
    """Check that the last backup of the catalog is not old."""
    from stereo_tasks.catalog.backup import backups

    folder = settings.site.paths.backups
    what_to_do = "is back_up_catalog paused in Airflow, or does it fail? `stereo catalog backup` makes one now"
    if not (found := backups(folder)):
        yield yellow("backup", f"there is none of the catalog in {folder}", what_to_do)
        return
    age_h = (time.time() - found[-1].stat().st_mtime) / 3600
    text = f"the last of {len(found)} backups of the catalog is {age_h:.0f} h old: {found[-1]}"
    yield green("backup", text) if age_h <= _BACKUP_AGE_H else yellow("backup", text, what_to_do)
