"""Telling people, through Airflow's notifiers: of new alarms, and what the morning brings."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
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


class MailNotifier(BaseNotifier):
    """Sends a mail as text and HTML through a connection of type ``smtp``; Airflow's own notifier sends HTML alone.

    Parameters
    ----------
    connection : str
        Id of the connection, with the sender as ``from_email``.
    to : sequence of str
        Addresses.
    subject : str
        One line.
    text, html : str
        The same, for programs that show HTML and those that do not.
    """

    def __init__(self, connection: str, to: Sequence[str], subject: str, text: str, html: str, **more: Any) -> None:
        super().__init__(**more)
        self.connection = connection
        self.to = tuple(to)
        self.subject = subject
        self.text = text
        self.html = html

    def notify(self, context: Any) -> None:
        """Send it."""
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        with SmtpHook(self.connection) as hook:
            if not hook.from_email:
                raise ValueError(f"the connection {self.connection} has no sender: give it a from_email")
            message = EmailMessage()
            message["Subject"], message["From"], message["To"] = self.subject, hook.from_email, ", ".join(self.to)
            message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
            message.set_content(self.text)
            message.add_alternative(self.html, subtype="html")
            client: Any = hook._smtp_client  # open in this block; it has no public name
            client.send_message(message)


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
    wanted, subject = settings.alarms.notify, f"{settings.site.name}: {_subject(news)}"
    in_file = [AlarmFileNotifier(str(settings.site.root / wanted.file), news.new)] if wanted.file else []
    return [
        *in_file,
        *mail_notifiers(settings, subject, _text(news), _html(news)),
        *chat_notifiers(settings, subject, _text(news)),
    ]


def mail_notifiers(settings: Settings, subject: str, text: str, html: str) -> list[BaseNotifier]:
    """Return what sends a mail to those whom the site has configured: one, or none."""
    wanted = settings.alarms.notify
    if not (wanted.mail_connection and wanted.mail_to):
        return []
    return [MailNotifier(wanted.mail_connection, wanted.mail_to, subject, text, html)]


def chat_notifiers(settings: Settings, subject: str, text: str) -> list[BaseNotifier]:
    """Return what tells the chat that the site has configured: one, or none."""
    if not settings.alarms.notify.chat_connection:
        return []
    from airflow.providers.apprise.notifications.apprise import AppriseNotifier

    return [AppriseNotifier(apprise_conn_id=settings.alarms.notify.chat_connection, title=subject, body=text)]


def _subject(news: News) -> str:
    first = news.new[0].text
    text = first if len(first) <= 80 else first[:79] + "…"
    # A line break would end the header of the mail.
    return " ".join((text if len(news.new) == 1 else f"{len(news.new)} new alarms, such as: {text}").split())


_WHERE = "All alarms are on the page Nights of Airflow's menu, and in `stereo status`."


def _text(news: News) -> str:
    from stereo_tasks.status import alarm_lines

    lines = [f"- {line.text}\n  -> {line.what_to_do}" for line in alarm_lines(news.new)]
    over = [f"No longer there: {'; '.join(news.over[:20])}"] if news.over else []
    return "\n".join(["New alarms of the nights of MAGIC + LST-1:", *lines, *over, _WHERE])


def _html(news: News) -> str:
    from stereo_tasks.status import alarm_lines

    parts = ["<p>New alarms of the nights of MAGIC + LST-1:</p><ul>"]
    parts += [
        f"<li>{html.escape(line.text)}<br>&rarr; {html.escape(line.what_to_do)}</li>" for line in alarm_lines(news.new)
    ]
    parts.append("</ul>")
    if news.over:
        parts.append(f"<p>No longer there: {html.escape('; '.join(news.over[:20]))}</p>")
    parts.append(f"<p>{html.escape(_WHERE)}</p>")
    return "".join(parts)
