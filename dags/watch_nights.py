"""Every hour: tell of what needs care before it hurts."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowFailException

DOC = """
### What needs care?

Every hour this looks for alarms: a table of the configuration that ends soon or does not cover a requested night,
nights that wait, failed or are held for too long, old locks, a stereo log that stands still or lost rows, file systems
that are almost full. The limits are in `config/alarms.yaml`.

Each alarm is told **once**, by mail and to a file if these are configured (`notify`), and again only when it comes back
or changes. All that there are stand on top of the page *Browse > Nights* and of `stereo status`, and in the log of the
task.

A **red** run found a new alarm: read its log. The next run is green again, even if the alarm is still there. To silence
the alarm of a night, hold the night with the reason: `stereo hold NIGHT --reason ...`.
"""

with DAG(
    "watch_nights",
    description="Tell of what needs care: tables that end, forgotten nights, full disks",
    doc_md=DOC,
    schedule=CronTriggerTimetable("40 * * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    tags=["stereo"],
):

    @task
    def watch(**context) -> None:
        """Print all alarms, and tell the new ones."""
        from stereo_portal.notifying import notifiers

        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status import alarm_lines, find_alarms
        from stereo_tasks.status.sent_alarms import sent_alarms_file, tell_news

        settings = load_settings()
        alarms = find_alarms(Catalog.of_site(settings), settings)
        for line in alarm_lines(alarms):
            print(f"alarm, {line.kind}: {line.text} -> {line.what_to_do}")

        def tell(news) -> None:
            for notifier in notifiers(settings, news):
                notifier.notify(context)

        news = tell_news(alarms, sent_alarms_file(settings), tell)
        for text in news.over:
            print("over:", text)
        if news.new and settings.alarms.notify.red_run:
            raise AirflowFailException(f"{len(news.new)} of {len(alarms)} alarms are new, see above")
        print(f"{len(alarms)} alarms, {len(news.new)} of them new")

    watch()
