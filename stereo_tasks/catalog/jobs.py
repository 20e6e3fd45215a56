"""Jobs of arrays, with what the place that ran them accounts for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import JobRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Plan
from stereo_tasks.stages import Chain
from stereo_tasks.stages import chain as chain_of

_TIMES = ("submitted_utc", "started_utc", "ended_utc")
_DEFAULTS: dict[str, Any] = {
    "job_id": "", "attempt": 1, "elements": (), "exit_code": None, "signal": None, "reason": "", "node": "",
    "submitted_utc": None, "started_utc": None, "ended_utc": None, "elapsed_s": None, "queue_wait_s": None,
    "max_rss_mb": None, "restarts": 0,
}  # fmt: skip


def save_jobs(
    catalog: Catalog,
    plan: Plan | Path | str,
    chain: Chain | str,
    jobs: Iterable[Mapping[str, Any]],
) -> int:
    """Write jobs of a chain of stages; what is known of a job already is replaced.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    plan : Plan or path
        The plan that the jobs worked on.
    chain : Chain or str
        The chain.
    jobs : iterable of mapping
        Each with ``token``, ``job`` (number in the array) and ``state``, and as far as known with the other columns of
        `JobRow`. Times are datetimes with zone, or their ISO texts. ``elapsed_s`` and ``queue_wait_s`` come from the
        times when they are not given. Further keys are left out.

    Returns
    -------
    int
        Number of jobs.
    """
    loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
    common = {
        "plan_path": plain(loaded.path if isinstance(plan, Plan) else Path(plan)), "stage": chain_of(chain).name,
        "production": loaded.production, "night": Night(loaded.night).evening if loaded.night else None,
        "source": loaded.source,
    }  # fmt: skip
    rows = {(one["token"], int(one["job"])): _values(one) | common for one in jobs}  # the last word on a job counts
    if not rows:
        return 0
    ordered = [rows[key] for key in sorted(rows)]
    with catalog.transaction(writes=True) as session:
        write(session, ordered)
    return len(rows)


def write(session: Session, rows: list[dict[str, Any]]) -> None:
    """Write jobs, in an order that all who write them keep."""
    statement = insert(JobRow)
    columns = {name: statement.excluded[name] for name in rows[0] if name not in ("token", "job")}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["token", "job"], set_=columns), rows)


def jobs_of(catalog: Catalog, night: Night, production: str, *, source: str | None = None) -> tuple[JobRow, ...]:
    """Return the jobs of a night, in order of their submission."""
    statement = select(JobRow).where(JobRow.night == night.evening, JobRow.production == production)
    if source is not None:
        statement = statement.where(JobRow.source == source)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement.order_by(JobRow.submitted_utc, JobRow.token, JobRow.job)))


def _values(job: Mapping[str, Any]) -> dict[str, Any]:
    values = {"token": plain(job["token"]), "job": int(job["job"]), "state": str(job["state"])}
    values |= {name: plain(job.get(name, default)) for name, default in _DEFAULTS.items()}
    values |= {name: _time(values[name]) for name in _TIMES}
    if values["elapsed_s"] is None:
        values["elapsed_s"] = _between(values["started_utc"], values["ended_utc"])
    if values["queue_wait_s"] is None:
        values["queue_wait_s"] = _between(values["submitted_utc"], values["started_utc"])
    return values


def _time(value: Any) -> dt.datetime | None:
    return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


def _between(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None
