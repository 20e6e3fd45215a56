"""The catalog's database from a command line: found where it runs, never started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stereo_tasks.catalog.session import URL_FILE_VARIABLE, URL_VARIABLE, catalog_url
from stereo_tasks.local_site.database import EmbeddedPostgres, database_url
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.processes import Condition

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings


@contextmanager
def reachable_catalog(settings: Settings) -> Iterator[str]:
    """Let the functions of the catalog find its database during a block, and give its URL.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.

    Raises
    ------
    SiteError
        If it is the embedded database, and that does not run.
    CatalogError
        If what names the database cannot be read.
    """
    named = os.environ.get(URL_VARIABLE) or os.environ.get(URL_FILE_VARIABLE) or settings.site.airflow.catalog_url
    if named:
        yield catalog_url(settings)
        return
    server = EmbeddedPostgres(settings.site.paths.state, settings.site.root)
    if server.service.condition() != Condition.RUNNING:
        raise SiteError(f"the site {settings.site.root} does not run, nor does its catalog: start it with `stereo up`")
    os.environ[URL_VARIABLE] = url = database_url(settings, "catalog")
    try:
        yield url
    finally:
        os.environ.pop(URL_VARIABLE, None)
