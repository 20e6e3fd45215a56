"""Which DAGs somebody has paused: then nothing happens by itself, and an empty page has another reason."""

from __future__ import annotations

import logging

from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger(__name__)
_MISSED = {
    "detect_nights": "new nights are not noticed",
    "process_night": "nights wait, and are not processed",
    "request_nights": "nights that people ask for wait",
    "watch_nights": "nobody is told of alarms",
}


def paused_dags() -> dict[str, str]:
    """Return what does not happen for each DAG that is paused; empty where Airflow's database cannot be asked."""
    statement = select(DagModel.dag_id).where(DagModel.dag_id.in_(_MISSED), DagModel.is_paused, ~DagModel.is_stale)
    try:
        with create_session() as session:
            paused = set(session.scalars(statement))
    except SQLAlchemyError as error:
        _log.warning("cannot ask which DAGs are paused: %s", type(error).__name__)
        return {}
    return {name: missed for name, missed in _MISSED.items() if name in paused}
