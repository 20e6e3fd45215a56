"""Bringing the catalog's tables to a revision, up or down, with Alembic."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from stereo_tasks.catalog.database import Catalog, Lock
from stereo_tasks.catalog.errors import CatalogError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "stereo_catalog_version"
"""Own name: Airflow has a table alembic_version, should both ever share a database."""

_alembic = threading.Lock()  # Alembic keeps its context in a module: one migration at a time in a process


@dataclass(frozen=True, slots=True)
class Revisions:
    """Where a catalog's tables are, and where they should be."""

    current: str
    """Empty: there are no tables."""
    head: str
    """What this program needs."""

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is to be done."""
        return self.current == self.head


def migrate(catalog: Catalog, *, revision: str = "head") -> None:
    """Create the catalog's tables or bring them up to date; safe to call at any time, by several at once.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    revision : str, optional
        What to bring them to, if they are older; the latest by default.

    Raises
    ------
    CatalogError
        If the database does not answer, or is of a newer program.
    """
    _run(catalog, lambda config: command.upgrade(config, revision))


def downgrade(catalog: Catalog, revision: str) -> None:
    """Bring the tables back to an older revision. What that revision does not know is lost.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    revision : str
        Such as ``0001``, ``-1`` (one back) or ``base`` (no tables).

    Raises
    ------
    CatalogError
        If there is no such revision, or the database does not answer.
    """
    _run(catalog, lambda config: command.downgrade(config, revision))


def write_revision(catalog: Catalog, message: str) -> Path:
    """Write the migration from the database's tables to the models, to be read and corrected by a person.

    Parameters
    ----------
    catalog : Catalog
        One that is up to date.
    message : str
        What changes, in a few words.

    Returns
    -------
    pathlib.Path
        The new module.
    """
    made: list[Path] = []

    def write(config: Config) -> None:
        number = int(ScriptDirectory.from_config(config).get_current_head() or 0) + 1
        script = command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        made.extend(Path(one.path) for one in ([script] if not isinstance(script, list) else script) if one)

    _run(catalog, write)
    return made[0]


def revisions(catalog: Catalog) -> Revisions:
    """Return the revision of a catalog's tables, and that of this program.

    Raises
    ------
    CatalogError
        If the database does not answer.
    """
    with Catalog.explained(), catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        current = context.get_current_revision() or ""
    return Revisions(current, ScriptDirectory.from_config(_config()).get_current_head() or "")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _run(catalog: Catalog, action: Callable[[Config], None]) -> None:
    config = _config()
    try:
        with _alembic, Catalog.explained(), catalog.engine.connect() as connection:
            # Held by the connection, so that it goes with it however this ends.
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int(Lock.MIGRATION)})
            connection.commit()
            config.attributes["connection"] = connection
            action(config)
            connection.commit()
    except CommandError as error:
        raise CatalogError(
            f"the catalog's tables cannot be brought to that revision: {error}. A revision that this program does not "
            "know is of a newer one: use that"
        ) from None
