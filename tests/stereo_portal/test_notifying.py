"""Mails and lines about alarms, as somebody gets them."""

from __future__ import annotations

import email
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for receivers

from receivers import Chat, Mailbox
from stereo_portal.notifying import notifiers

from stereo_tasks.settings import load_settings
from stereo_tasks.status import Alarm, AlarmKind
from stereo_tasks.status.sent_alarms import News

# A row of the log, which anybody may write: no markup, and no template of Airflow's.
NEWS = News((Alarm(AlarmKind.LOG_ROWS, "line 7", "a row cannot be read:\n<b>{{ 7 * 7 }}</b>"),), ("30 GB are free",))


@pytest.fixture
def configured(tmp_path):
    def load(text: str):
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "alarms.yaml").write_text(f"notify: {text}\n")
        return load_settings(tmp_path)

    return load


def test_without_configuration_nobody_is_told(configured):
    assert notifiers(configured("{}"), NEWS) == []
    assert notifiers(configured("{mail_connection: mail}"), NEWS) == []  # to whom?


def test_a_line_for_other_programs(configured, tmp_path):
    settings = configured("{file: state/told.jsonl}")
    for _ in range(2):
        (notifier,) = notifiers(settings, NEWS)
        notifier.notify({})
    lines = [json.loads(line) for line in (tmp_path / "state" / "told.jsonl").read_text().splitlines()]
    assert [one["text"] for one in lines] == [NEWS.new[0].text] * 2
    assert {*lines[0]} == {"at_utc", "kind", "text", "what_to_do"}


def test_a_chat(configured, monkeypatch):
    chat = Chat()
    path = f"json://127.0.0.1:{chat.server.server_port}"
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "apprise", "extra": {"config": {"path": path}}}))
    (notifier,) = notifiers(configured("{chat_connection: chat}"), NEWS)
    notifier.notify({})
    chat.thread.join(timeout=20)
    (message,) = chat.messages
    assert message["title"] == "local: a row cannot be read: <b>{{ 7 * 7 }}</b>"
    assert "30 GB are free" in message["message"]
    assert "<b>{{ 7 * 7 }}</b>" in message["message"]


def test_a_mail(configured, monkeypatch):
    mailbox = Mailbox()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "site@example.org"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": mailbox.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ALARM_MAIL", json.dumps(connection))
    (notifier,) = notifiers(configured("{mail_connection: alarm_mail, mail_to: [shift@example.org]}"), NEWS)
    notifier.notify({})
    message = mailbox.message()
    assert (message["To"], message["From"]) == ("shift@example.org", "site@example.org")
    subject = str(email.header.make_header(email.header.decode_header(message["Subject"])))
    assert subject == "local: a row cannot be read: <b>{{ 7 * 7 }}</b>"
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/html"]
    text = part.get_payload(decode=True).decode()
    assert "&lt;b&gt;{{ 7 * 7 }}&lt;/b&gt;" in text
    assert "30 GB are free" in text
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/plain"]
    assert "<b>{{ 7 * 7 }}</b>" in part.get_payload(decode=True).decode()


def test_a_mail_that_cannot_be_sent_is_an_error(configured, monkeypatch):
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "site@example.org", "retry_limit": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": 1, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ALARM_MAIL", json.dumps(connection))
    (notifier,) = notifiers(configured("{mail_connection: alarm_mail, mail_to: [shift@example.org]}"), NEWS)
    with pytest.raises(OSError, match="refused"):
        notifier.notify({})
