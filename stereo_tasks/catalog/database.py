"""Reaching the catalog's database."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, NullPool, QueuePool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.errors import CatalogError, NoCatalogError
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.site import CATALOG_URL_FILE, Site

URL_VARIABLE = "STEREO_CATALOG_URL"
URL_FILE_VARIABLE = "STEREO_CATALOG_URL_FILE"
_UNDEFINED = {"42P01", "42703"}  # SQLSTATE: no such table, no such column
_UNREACHABLE = ("08", "28", "3D", "53", "57")  # classes: connection, login, database, resources, shut down
_ARGUMENTS: dict[str, Any] = {"connect_timeout": 10, "application_name": "stereo catalog"}
_EXAMPLE = "postgresql+psycopg2://user@host/catalog"


class Lock(IntEnum):
    """Advisory locks of PostgreSQL that this room uses; the numbers are arbitrary, and used by nobody else."""

    MIGRATION = 0x57E2E0
    REBUILD = 0x57E2E1
    HOLDS = 0x57E2E2
    LOG_VERSIONS = 0x57E2E3
    TELESCOPE_RUNS = 0x57E2E4
    READINESS = 0x57E2E5
    TREE = 0x57E2E6


def take(session: Session, lock: Lock, of: str = "") -> None:
    """Wait for a lock, and keep it until the transaction ends; `of` tells apart what may be locked independently."""
    session.execute(text("SELECT pg_advisory_xact_lock(:lock, hashtext(:of))"), {"lock": int(lock), "of": of})


def catalog_url(settings: Settings | None = None) -> str:
    """Return the URL of the catalog.

    ``$STEREO_CATALOG_URL`` comes first, then the content of the file that ``$STEREO_CATALOG_URL_FILE`` names (a secret
    of a container), then ``site.airflow.catalog_url`` of the settings, then what a local site that runs has left.

    Raises
    ------
    CatalogError
        If none of them names a database, or the file cannot be read.
    """
    if given := os.environ.get(URL_VARIABLE) or _url_of_file():
        return given
    site = (settings or load_settings()).site
    url = site.airflow.catalog_url or _url_of_local_site(site)
    if not url:
        raise NoCatalogError(
            f"the site {site.root} does not run, nor does its catalog: start it with `stereo up`, "
            f"or give airflow.catalog_url in config/site.yaml, or {URL_FILE_VARIABLE}"
        )
    return url


def _url_of_local_site(site: Site) -> str:
    try:
        return (site.paths.state / CATALOG_URL_FILE).read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CatalogError(f"where the catalog is cannot be read: {error}") from None


def _url_of_file() -> str:
    name = os.environ.get(URL_FILE_VARIABLE)
    if not name:
        return ""
    try:
        url = Path(name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise CatalogError(f"{URL_FILE_VARIABLE} names {name}, which cannot be read ({reason})") from None
    if not url:
        raise CatalogError(f"{URL_FILE_VARIABLE} names {name}, which is empty: write {_EXAMPLE} into it")
    return url


class Catalog:
    """The catalog: its database, and the transactions in which its tables are read and written.

    It is made where a program begins (a task, a command, a page, a test), and handed down. It connects for each
    transaction, since Airflow forks, and two processes must not share a connection; see `kept` for many questions.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of the database, which must exist.
    decisions : pathlib.Path, optional
        Folder of the files with what people decided, see `stereo_tasks.catalog.decisions`; none is kept by default.

    Raises
    ------
    CatalogError
        If it is not a URL of PostgreSQL.
    """

    def __init__(self, url: str, decisions: Path | None = None) -> None:
        self.url = _checked(url)
        self.decisions = decisions
        self.engine = create_engine(self.url, poolclass=NullPool, connect_args=_ARGUMENTS)

    @classmethod
    def of_site(cls, settings: Settings | None = None) -> Self:
        """Return the catalog of a site, see `catalog_url`; of ``$STEREO_SITE`` by default."""
        settings = settings or load_settings()
        return cls(catalog_url(settings), settings.site.paths.output / decisions.FOLDER)

    @classmethod
    @contextmanager
    def kept(cls, settings: Settings | None = None) -> Iterator[Self]:
        """Give the catalog of a site with a connection that is kept until the block ends, for many questions.

        To connect costs more than to ask. Nothing may fork within the block.
        """
        catalog = cls.of_site(settings)
        catalog.engine = create_engine(
            catalog.url, poolclass=QueuePool, pool_size=1, max_overflow=4, connect_args=_ARGUMENTS
        )
        try:
            yield catalog
        finally:
            catalog.engine.dispose()

    @contextmanager
    def transaction(self, *, writes: bool = False, rebuilds: bool = False, snapshot: bool = False) -> Iterator[Session]:
        """Open a session in one transaction: committed when the block ends, rolled back when it raises.

        Rows that leave the block are detached: they can be read, and changing them changes nothing.

        Parameters
        ----------
        writes : bool, optional
            For what a rebuild makes anew: it waits for a rebuild to end, and a rebuild waits for it. So whatever was
            written is in the tree that the rebuild reads.
        rebuilds : bool, optional
            Keeps all that `writes` away. Readers go on and see what was there before.
        snapshot : bool, optional
            All statements see the database as it was at the first one, even if a rebuild ends in between.

        Raises
        ------
        CatalogError
            If the database does not answer, or its tables are not there.
        """
        with self.explained(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            if snapshot:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            if writes or rebuilds:
                function = "pg_advisory_xact_lock" if rebuilds else "pg_advisory_xact_lock_shared"
                session.execute(text(f"SELECT {function}(:key)"), {"key": int(Lock.REBUILD)})
            yield session

    def note_decision(self, kind: decisions.Kind, at: dt.datetime, values: Mapping[str, Any]) -> None:
        """Append a person's decision to its file, after its row was sent and before the transaction is committed.

        A failure in between leaves an entry whose row was not committed, and whose author was told so and does it
        again; the other order could lose a decision.
        """
        if self.decisions is not None:
            decisions.append(self.decisions, kind, at, values)

    @staticmethod
    @contextmanager
    def explained() -> Iterator[None]:
        """Turn errors of the database within the block into `CatalogError` where they say what an operator can do."""
        try:
            yield
        except (OperationalError, ProgrammingError) as error:
            if text_ := _explanation(error):
                raise CatalogError(text_) from error
            raise


def _checked(url: str) -> URL:
    try:
        made = make_url(url)
    except ArgumentError:
        raise CatalogError(f"the catalog's URL is not one: write {_EXAMPLE}") from None
    if made.get_backend_name() != "postgresql":
        raise CatalogError(f"the catalog needs PostgreSQL, not {made.get_backend_name()}: write {_EXAMPLE}")
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg2")  # the driver that Airflow brings
    return made


def _explanation(error: OperationalError | ProgrammingError) -> str:
    """Return what an operator should know about an error of the database; empty if it is another kind of error."""
    code = str(getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None) or "")
    if code in _UNDEFINED:
        return "the catalog lacks tables or columns: bring it up to date with `stereo catalog upgrade`"
    if isinstance(error, OperationalError) and (not code or code.startswith(_UNREACHABLE)):
        # The driver's text names host and port, never the password.
        return f"the catalog's database does not answer: {str(error.orig).strip()}"
    return ""
