"""Telling people of new alarms, through Airflow's notifiers."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.notifier import BaseNotifier

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings
    from stereo_tasks.status import Alarm
    from stereo_tasks.status.sent_alarms import News


class AlarmFileNotifier(BaseNotifier):
    """Appends new alarms to a file, a JSON object a line, for other programs.

    Parameters
    ----------
    path : str
        The file; its folder is made.
    alarms : sequence of Alarm
        What is new.
    """

    def __init__(self, path: str, alarms: Sequence[Alarm], **more: Any) -> None:
        super().__init__(**more)
        self.path = path
        self.alarms = tuple(alarms)

    def notify(self, context: Any) -> None:
        """Append the lines in one write, so that readers see whole ones."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        lines = [
            json.dumps({"at_utc": now, "kind": alarm.kind, "text": alarm.text, "what_to_do": alarm.what_to_do})
            for alarm in self.alarms
        ]
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        with Path(self.path).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())


def notifiers(settings: Settings, news: News) -> list[BaseNotifier]:
    """Return the notifiers that the site has configured, each with what is to be told.

    Their `notify` is to be called directly: a call of the notifier itself would render the texts as templates, and some
    of these come from the stereo log; it would also swallow errors.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    news : News
        What is new, and what is over.
    """
    wanted = settings.alarms.notify
    found: list[BaseNotifier] = []
    if wanted.file:
        found.append(AlarmFileNotifier(str(settings.site.root / wanted.file), news.new))
    if wanted.mail_connection and wanted.mail_to:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        found.append(
            SmtpNotifier(
                to=list(wanted.mail_to),
                subject=f"{settings.site.name}: {_subject(news)}",
                html_content=_mail(news),
                smtp_conn_id=wanted.mail_connection,
            )
        )
    return found


def _subject(news: News) -> str:
    first = news.new[0].text
    text = first if len(first) <= 80 else first[:79] + "…"
    # A line break would end the header of the mail.
    return " ".join((text if len(news.new) == 1 else f"{len(news.new)} new alarms, such as: {text}").split())


def _mail(news: News) -> str:
    from stereo_tasks.status import alarm_lines

    parts = ["<p>New alarms of the nights of MAGIC + LST-1:</p><ul>"]
    parts += [
        f"<li>{html.escape(line.text)}<br>&rarr; {html.escape(line.what_to_do)}</li>" for line in alarm_lines(news.new)
    ]
    parts.append("</ul>")
    if news.over:
        parts.append(f"<p>No longer there: {html.escape('; '.join(news.over[:20]))}</p>")
    parts.append("<p>All alarms are on the page Nights of Airflow's menu, and in <code>stereo status</code>.</p>")
    return "".join(parts)
