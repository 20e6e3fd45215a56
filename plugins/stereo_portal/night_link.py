"""From a task of a night's run to the page of the night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.sdk.bases.operatorlink import BaseOperatorLink
from airflow.utils.session import create_session
from sqlalchemy import select

from stereo_portal.airflow_runs import DAG
from stereo_portal.run_notes import night_of

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey


class NightLink(BaseOperatorLink):
    """The page of the night that a task works on; no link on tasks of other DAGs."""

    name = "Night"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, with the path that Airflow is served at; empty if there is none."""
        from airflow.api_fastapi.app import get_cookie_path

        if ti_key.dag_id != DAG:
            return ""
        statement = select(DagRun.partition_key, DagRun.conf).where(
            DagRun.dag_id == ti_key.dag_id, DagRun.run_id == ti_key.run_id
        )
        with create_session() as session:
            row = session.execute(statement).first()
        found = night_of(*row) if row else None
        return f"{get_cookie_path().rstrip('/')}/nights/{found[1]}/{found[0].lst_date}" if found else ""
