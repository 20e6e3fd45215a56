"""Every day: a backup of the catalog."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, task

DOC = """
### A backup of the catalog

Every day at 13:00 UTC, when the nights are over, this writes the catalog's database to `paths.backups` of the site,
by PostgreSQL's own `pg_dump`. The last `backups_kept` stay. `stereo catalog restore FILE` brings one back, with the
holds and requests that people made since; `stereo doctor` tells how old the last one is.

Copy the folder to another machine, together with `decisions` in the output tree.
"""

with DAG(
    "back_up_catalog",
    description="Write a backup of the catalog",
    doc_md=DOC,
    schedule=CronTriggerTimetable("0 13 * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": dt.timedelta(minutes=10)},
    tags=["stereo"],
):

    @task
    def back_up() -> str:
        """Write the backup, and remove the oldest."""
        from stereo_tasks.catalog.backup import back_up
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings

        site = load_settings().site
        return str(back_up(Catalog.of_site(), site.paths.backups, keep=site.backups_kept))

    back_up()
