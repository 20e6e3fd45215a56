"""Links from a task to what the cluster knows of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operatorlink import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class JobLink(BaseOperatorLink):
    """The page about the newest array of a task, on a monitor of the cluster (``job_url`` of the connection)."""

    name = "Jobs on the cluster"

    def get_link(self, operator: BaseOperator | Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; empty if there is none. Airflow asks when a task ends, is deferred, or goes on."""
        return str(getattr(operator, "job_url", "") or "")
