"""From a task of a night's run to the page of the night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operatorlink import BaseOperatorLink

from stereo_portal.airflow_runs import DAG
from stereo_portal.run_notes import night_of_run

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class NightLink(BaseOperatorLink):
    """The page of the night that a task works on; no link on tasks of other DAGs."""

    name = "Night"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, with the path that Airflow is served at; empty if there is none."""
        from airflow.api_fastapi.app import get_cookie_path

        if ti_key.dag_id != DAG:
            return ""
        found = night_of_run(ti_key.run_id)
        return f"{get_cookie_path().rstrip('/')}/nights/{found[1]}/{found[0].lst_date}" if found else ""
