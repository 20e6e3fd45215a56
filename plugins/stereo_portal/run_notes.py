"""A note on each run of `process_night` that says which night it is: a run's id does not."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.listeners import hookimpl
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from stereo_portal.airflow_runs import DAG
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night

_log = logging.getLogger(__name__)


def night_of(partition_key: str | None, conf: Mapping[str, Any] | None) -> tuple[Night, str] | None:
    """Return night and production of a run; None if it does not say."""
    from stereo_tasks.dispatch.partitions import read_key
    from stereo_tasks.settings import load_settings

    asked = conf or {}
    try:
        night, named = read_key(partition_key or str(asked.get("night") or ""))
        return night, load_settings().production(asked.get("production") or named).name
    except StereoError:
        return None


def night_of_run(run_id: str) -> tuple[Night, str] | None:
    """Return night and production of a run of `process_night`; None if there is none, or it does not say."""
    statement = select(DagRun.partition_key, DagRun.conf).where(DagRun.dag_id == DAG, DagRun.run_id == run_id)
    try:
        with create_session() as session:
            row = session.execute(statement).first()
    except SQLAlchemyError as error:
        _log.warning("cannot ask which night a run is of: %s", type(error).__name__)
        return None
    return night_of(*row) if row else None


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Note the night on a run that begins. The scheduler calls this, with the run in its session."""
    if dag_run.dag_id != DAG or dag_run.note:
        return
    try:
        if found := night_of(dag_run.partition_key, dag_run.conf):
            dag_run.note = f"Night {found[0]}, production {found[1]}"
    except Exception as error:  # noqa: BLE001 - a note is not worth a scheduler
        _log.warning("no note of the night on %s: %s", dag_run.run_id, type(error).__name__)
