"""Every ten minutes: end jobs on the cluster that no task looks after any more."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param, task
from airflow.sdk.exceptions import AirflowSkipException

DOC = """
### Jobs without a task

A task that is cleared or marked cancels its jobs; of one that dies, the next try takes them over. What is left all the
same, such as after a machine of Airflow was lost for good, is found here: jobs that this installation has submitted,
and whose task has ended or is unknown. Each array of them is a line in the log.

| parameter | meaning |
|---|---|
| `policy` | `cancel` ends them, `report` only tells |
| `grace_minutes` | jobs younger than this are left alone |
| `connection` | the cluster |

A skipped run means that there was nothing to do.
"""

with DAG(
    "slurm_orphans",
    description="End jobs on the cluster that no task looks after",
    doc_md=DOC,
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "policy": Param("cancel", enum=["cancel", "report"], description="What is done with them"),
        "grace_minutes": Param(10, type="number", minimum=0, description="Jobs younger than this are left alone"),
        "connection": Param("slurm_default", type="string", description="The cluster"),
    },
    tags=["slurm"],
):

    @task
    def look(*, params, ti) -> list[str]:
        """Find them, and deal with them."""
        from airflow.sdk.exceptions import AirflowNotFoundException
        from airflow_slurm.orphans import look_after_orphans

        try:
            found = look_after_orphans(params["connection"], params["policy"], params["grace_minutes"] * 60, ti)
        except AirflowNotFoundException:
            raise AirflowSkipException(f"there is no connection {params['connection']}: no cluster is used") from None
        if not found:
            raise AirflowSkipException("all jobs have their task")
        for line in found:
            print(line)
        return found

    look()
