"""One connection for all the questions of a page or a command: to connect costs more than to ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, QueuePool, create_engine

from stereo_tasks.catalog.database import engine as catalog_engine


@contextmanager
def kept_connection(url: str | None = None) -> Iterator[Engine]:
    """Give an engine that keeps its connection until the block ends.

    The catalog's own engine connects for each transaction, since Airflow forks; nothing may fork within this block.

    Parameters
    ----------
    url : str, optional
        Of the catalog; where the site or the environment says by default.

    Raises
    ------
    CatalogError
        If nothing says where the catalog is.
    """
    address = catalog_engine(url).url
    arguments = {"connect_timeout": 10, "application_name": "stereo status"}
    engine = create_engine(address, poolclass=QueuePool, pool_size=1, max_overflow=4, connect_args=arguments)
    try:
        yield engine
    finally:
        engine.dispose()
