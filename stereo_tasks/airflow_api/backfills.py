"""Backfills of nights in Airflow: what was asked for, and how far the asking is."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stereo_tasks.airflow_api.client import AirflowApi
from stereo_tasks.airflow_api.errors import AirflowApiError
from stereo_tasks.nights import Night

REQUEST_DAG, PROCESS_DAG = "request_nights", "process_night"
_PAGE = 100
_CLOSING_LIMIT_S = 90.0
_LAST_RUNS = 8  # of request_nights that Airflow has at a time: they take seconds
_ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range of nights that somebody asked for."""

    id: int
    first: Night
    last: Night
    created_utc: dt.datetime
    requested_utc: dt.datetime | None
    """When the last night of it had been asked for; None: it goes on."""
    paused: bool
    conf: dict[str, Any]
    """Production, sources, and so on, as they were given."""

    @property
    def nights(self) -> tuple[Night, ...]:
        """All nights of the range."""
        days = (self.last.evening - self.first.evening).days + 1
        return tuple(Night(self.first.evening + dt.timedelta(days=day)) for day in range(days))


@dataclass(frozen=True, slots=True)
class NightAsked:
    """The run of a backfill that asks for one night."""

    night: Night
    run: str
    state: str
    """Airflow's: ``queued``, ``running``, ``success`` or ``failed``."""
    ended_utc: dt.datetime | None

    @property
    def ended(self) -> bool:
        """Whether the night has been asked for."""
        return self.state in _ENDED


def check_range(first: Night, last: Night, now: dt.datetime) -> None:
    """Refuse a range that is no range, or has nights to come.

    Raises
    ------
    AirflowApiError
        The text says what to do.
    """
    if last < first:
        raise AirflowApiError(f"the range ends before it begins: write `stereo backfill {last} {first}`")
    if last.noon > now:
        newest = Night(now.astimezone(dt.UTC).date() - dt.timedelta(days=now.astimezone(dt.UTC).hour < 12))
        raise AirflowApiError(f"the night of {last} is still to come: end the range with {newest} or before")


def start(
    api: AirflowApi,
    first: Night,
    last: Night,
    *,
    production: str | None = None,
    sources: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    from_stage: str = "",
) -> int:
    """Ask for all nights of a range, both ends included, and return the backfill's id.

    Parameters
    ----------
    api : AirflowApi
        Session with the site's Airflow.
    first, last : Night
        The range.
    production : str, optional
        Name of the production; Airflow's default for it if not given.
    sources : sequence of str, optional
        Only these; all by default.
    force : bool, optional
        Compute again what is valid, too.
    dry_run : bool, optional
        Only plan, in the logs of the tasks.
    from_stage : str, optional
        Compute everything from this stage on again, valid or not.

    Raises
    ------
    AirflowApiError
        If Airflow refuses, or another backfill still goes on.
    """
    _wait_for_others(api)
    conf = {"production": production, "sources": list(sources), "force": force, "dry_run": dry_run}
    if from_stage:
        conf["from_stage"] = from_stage
    return api.backfill(REQUEST_DAG, first, last, conf=conf)


def _wait_for_others(api: AirflowApi) -> None:
    """Wait for a backfill that is about to end: Airflow closes it up to half a minute after its last run."""
    deadline = time.monotonic() + _CLOSING_LIMIT_S
    while open_ones := [backfill for backfill in _backfills(api, 1) if backfill.requested_utc is None]:
        backfill = open_ones[0]
        left = sum(not night.ended for night in asked_nights(api, backfill).values())
        if time.monotonic() > deadline or left > _LAST_RUNS:
            raise AirflowApiError(
                f"backfill {backfill.id} ({backfill.first}..{backfill.last}) still asks for its nights, and "
                f"there can be one at a time: see `stereo backfill --show {backfill.id}`, or cancel it in Airflow"
            )
        time.sleep(1)


def unpause_all(api: AirflowApi) -> tuple[str, ...]:
    """Let the DAGs run that a backfill needs; return those that were paused."""
    paused = tuple(dag for dag in (REQUEST_DAG, PROCESS_DAG) if api.get(f"/api/v2/dags/{dag}")["is_paused"])
    for dag in paused:
        api.unpause(dag)
    return paused


def find(api: AirflowApi, number: int | None = None) -> Backfill:
    """Return a backfill; the newest if no id is given.

    Raises
    ------
    AirflowApiError
        If there is none.
    """
    if number is not None:
        return _backfill(api.get(f"/api/v2/backfills/{number}"))
    newest = _backfills(api, 1)
    if not newest:
        raise AirflowApiError("there is no backfill yet: start one with `stereo backfill FIRST LAST`")
    return newest[0]


def asked_nights(api: AirflowApi, backfill: Backfill) -> dict[Night, NightAsked]:
    """Return how far each night of a backfill is asked for.

    A night that Airflow left out, since it was being asked for already, is missing. Airflow does not tell which runs
    belong to a backfill. But one at a time goes on, so they are those between its beginning and the next one's.
    """
    later = [other.created_utc for other in _backfills(api, _PAGE) if other.id > backfill.id]
    end = min(later, default=None)
    asked: dict[Night, NightAsked] = {}
    for run in _runs(api):
        begun = _time(run["queued_at"]) or _time(run["start_date"])
        if begun is None or (end is not None and begun >= end):
            continue
        if begun < backfill.created_utc:
            break  # they come newest first
        night = Night(run["partition_key"])
        asked.setdefault(night, NightAsked(night, run["dag_run_id"], run["state"], _time(run["end_date"])))
    return asked


def _runs(api: AirflowApi) -> Iterator[dict[str, Any]]:
    """Yield the runs that backfills made, the newest first."""
    offset = 0
    while True:
        page = api.get(
            f"/api/v2/dags/{REQUEST_DAG}/dagRuns", run_type="backfill", order_by="-id", limit=_PAGE, offset=offset
        )
        yield from (run for run in page["dag_runs"] if run["partition_key"])
        offset += len(page["dag_runs"])
        if not page["dag_runs"] or offset >= page["total_entries"]:
            return


def _backfills(api: AirflowApi, limit: int) -> list[Backfill]:
    answer = api.get("/api/v2/backfills", dag_id=REQUEST_DAG, order_by="-id", limit=limit)["backfills"]
    return [_backfill(entry) for entry in answer]


def _backfill(entry: dict[str, Any]) -> Backfill:
    first, last = (Night(dt.datetime.fromisoformat(entry[name]).date()) for name in ("from_date", "to_date"))
    created = dt.datetime.fromisoformat(entry["created_at"])
    conf = entry["dag_run_conf"] or {}
    return Backfill(entry["id"], first, last, created, _time(entry["completed_at"]), entry["is_paused"], conf)


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
