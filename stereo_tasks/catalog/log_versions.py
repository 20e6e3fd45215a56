"""Readings of the stereo log: which contents it had, and since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.models import LogVersion
from stereo_tasks.catalog.observations import Change
from stereo_tasks.catalog.values import plain


def note_log_version(
    catalog: Catalog,
    origin: str | Path,
    checksum: str,
    *,
    rows: int,
    problems: Iterable[object] = (),
    changes: Iterable[Change] = (),
    etag: str = "",
    last_modified: str = "",
) -> bool:
    """Note that the stereo log was read; return whether its content is another one than at the last time.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    origin : str or pathlib.Path
        Path, or URL without credentials.
    checksum : str
        Of the content.
    rows : int
        Rows that could be read.
    problems : iterable, optional
        Of rows that could not be read; their text is kept.
    changes : iterable of Change, optional
        As `update_observations` returned them.
    etag, last_modified : str, optional
        As the web server said.
    """
    row = values(origin, checksum, rows, problems, changes, etag, last_modified)
    with catalog.transaction(writes=True) as session:
        take(session, Lock.LOG_VERSIONS)  # two at once would write it twice
        return take_note(session, row)


def values(
    origin: str | Path,
    checksum: str,
    rows: int,
    problems: Iterable[object],
    changes: Iterable[Change],
    etag: str,
    last_modified: str,
) -> dict[str, Any]:
    """Return the row of a reading."""
    kinds = Counter(one.kind for one in changes)
    return {
        "origin": plain(str(origin)), "checksum": checksum, "etag": plain(etag), "last_modified": plain(last_modified),
        "rows": rows, "problems": [plain(str(one)) for one in problems], "added": kinds["added"] + kinds["returned"],
        "changed": kinds["changed"], "removed": kinds["removed"],
    }  # fmt: skip


def take_note(session: Session, row: dict[str, Any]) -> bool:
    """Do what `note_log_version` does within a transaction."""
    latest = select(LogVersion.id, LogVersion.origin, LogVersion.checksum).order_by(LogVersion.id.desc()).limit(1)
    old = session.execute(latest).one_or_none()
    if old is not None and (old.origin, old.checksum) == (row["origin"], row["checksum"]):
        seen = {"etag": row["etag"], "last_modified": row["last_modified"], "last_seen_utc": func.clock_timestamp()}
        session.execute(update(LogVersion).where(LogVersion.id == old.id).values(**seen))
        return False
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    session.execute(insert(LogVersion).values(**row, first_seen_utc=now, last_seen_utc=now))
    return True


def latest_log_version(catalog: Catalog) -> LogVersion | None:
    """Return the content that the log had at the last reading: since when, and when it was last seen."""
    found = latest_log_versions(catalog, 1)
    return found[0] if found else None


def latest_log_versions(catalog: Catalog, limit: int = 50) -> tuple[LogVersion, ...]:
    """Return the last contents of the log, the newest first."""
    with catalog.transaction() as session:
        return tuple(session.scalars(select(LogVersion).order_by(LogVersion.id.desc()).limit(limit)))
