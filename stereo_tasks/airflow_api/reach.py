"""The catalog's database from a command line: found where it runs, never started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stereo_tasks.catalog.database import URL_VARIABLE, catalog_url

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
    CatalogError
        If nothing names a database, or what does cannot be read.
    """
    before = os.environ.get(URL_VARIABLE)
    os.environ[URL_VARIABLE] = url = catalog_url(settings)
    try:
        yield url
    finally:
        if before is None:
            del os.environ[URL_VARIABLE]
