"""Every morning: one message about the nights."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, task

DOC = """
### What happened last night?

Every morning one message tells of the last night, and of others that were worked on since yesterday: what is done, held
and failed and why, significance and flux of each source (with a mark where one is far above its usual flux), time lost,
how long it took from the last file to what users read, CPU hours, disks, and the alarms that there are.

It goes by mail and to a chat, if these are configured (`notify` in `config/alarms.yaml`), and is always in the log of
the task. The same is on the page *Digest* of the nights. If a mail server does not answer, it is tried again for an
hour; nights do not wait for it.
"""

with DAG(
    "morning_digest",
    description="One message about the nights, every morning",
    doc_md=DOC,
    # Half an hour after 7 UTC: MAGIC's calibrated files of a night have come by then, and the fast chain needs minutes.
    schedule=CronTriggerTimetable("30 7 * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 4, "retry_delay": dt.timedelta(minutes=15)},
    tags=["stereo"],
):

    @task
    def render() -> dict[str, str]:
        """Say what became of the nights; print it, and hand it on."""
        from stereo_portal.digest_message import digest_html, digest_text

        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.digest import morning_digest

        settings = load_settings()
        digest = morning_digest(Catalog.of_site(settings), settings)
        message = {
            "subject": f"{digest.site}: {digest.subject}",
            "text": digest_text(digest),
            "html": digest_html(digest),
        }
        print(message["text"])
        return message

    @task
    def mail(message, **context) -> None:
        """Send it by mail, if the site has one."""
        from stereo_portal.notifying import mail_notifiers

        from stereo_tasks.settings import load_settings

        for notifier in mail_notifiers(load_settings(), **message):
            notifier.notify(context)

    @task
    def chat(message, **context) -> None:
        """Tell a chat, if the site has one. By itself: it must not be told again because a mail failed."""
        from stereo_portal.notifying import chat_notifiers

        from stereo_tasks.settings import load_settings

        for notifier in chat_notifiers(load_settings(), message["subject"], message["text"]):
            notifier.notify(context)

    told = render()
    mail(told)
    chat(told)
