"""The runs of the telescopes in the catalog: how many subruns of each are there, and which are missing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.models import TelescopeRun
from stereo_tasks.catalog.values import plain
from stereo_tasks.inventory import NightFiles
from stereo_tasks.inventory.files import LstSubrun, MagicSubrun, gaps
from stereo_tasks.nights import Night

_Part = tuple[dt.date, str]


def write_telescope_runs(catalog: Catalog, found: Iterable[NightFiles]) -> int:
    """Write the runs of several nights; return for how many something was different from what the catalog had.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    found : iterable of NightFiles
        A night that is as it was costs no writing. Runs of other versions of LST-1's DL1 stay.
    """
    now = parts(found)
    if not now:
        return 0
    nights = {night for night, _ in now}
    with catalog.transaction(writes=True) as session:
        take(session, Lock.TELESCOPE_RUNS)  # two that replace the rows of one night could wait for each other
        before: defaultdict[_Part, list[dict[str, Any]]] = defaultdict(list)
        known = select(*TelescopeRun.__table__.columns).where(TelescopeRun.night.in_(nights))
        in_order = known.order_by(TelescopeRun.night, TelescopeRun.telescope, TelescopeRun.run)
        for row in session.execute(in_order).mappings():
            before[row["night"], row["version"]].append(dict(row))
        different = [part for part, rows in now.items() if rows != before[part]]
        for night, version in different:
            session.execute(delete(TelescopeRun).where(TelescopeRun.night == night, TelescopeRun.version == version))
        write(session, (row for part in different for row in now[part]))
    return len({night for night, _ in different})


def parts(found: Iterable[NightFiles]) -> dict[_Part, list[dict[str, Any]]]:
    """Return the rows of nights, in order of telescope and run, by what is replaced as a whole: night and version."""
    rows: dict[_Part, list[dict[str, Any]]] = {}
    for files in found:
        night, wanted = files.night.evening, files.lst_wanted
        rows[night, wanted] = [_values(night, "LST-1", run, wanted, "", lst) for run, lst in sorted(files.lst.items())]
        rows[night, ""] = [
            _values(night, f"M{telescope}", run, "", magic[0].source, magic)
            for (telescope, run), magic in sorted(files.magic.items())
        ]
    return rows


def write(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows that are not there."""
    if values := list(rows):
        session.connection().execute(insert(TelescopeRun), values)


def telescope_runs_of(catalog: Catalog, first: Night, last: Night) -> tuple[TelescopeRun, ...]:
    """Return the runs of the telescopes from the first to the last night."""
    statement = select(TelescopeRun).where(TelescopeRun.night.between(first.evening, last.evening))
    with catalog.transaction() as session:
        return tuple(session.scalars(statement.order_by(TelescopeRun.night, TelescopeRun.telescope, TelescopeRun.run)))


def _values(
    night: dt.date,
    telescope: str,
    run: int,
    version: str,
    source: str,
    subruns: Sequence[LstSubrun] | Sequence[MagicSubrun],
) -> dict[str, Any]:
    numbers = [one.subrun for one in subruns]
    changed_us = max(one.modified_ns for one in subruns) // 1000  # whole microseconds, as the database keeps them
    return {
        "night": night, "telescope": telescope, "run": run, "version": version, "source": plain(source),
        "subruns": len(subruns),
        "first_subrun": min(numbers), "last_subrun": max(numbers), "missing": list(gaps(subruns)),
        "size_bytes": sum(one.size_bytes for one in subruns),
        "changed_utc": dt.datetime.fromtimestamp(0, tz=dt.UTC) + dt.timedelta(microseconds=changed_us),
    }  # fmt: skip
