"""Mails and lines about alarms, as somebody gets them."""

from __future__ import annotations

import email
import http.server
import json
import socket
import threading

import pytest
from stereo_portal.notifying import notifiers

from stereo_tasks.settings import load_settings
from stereo_tasks.status import Alarm, AlarmKind
from stereo_tasks.status.sent_alarms import News

# A row of the log, which anybody may write: no markup, and no template of Airflow's.
NEWS = News((Alarm(AlarmKind.LOG_ROWS, "line 7", "a row cannot be read:\n<b>{{ 7 * 7 }}</b>"),), ("30 GB are free",))


class Mailbox:
    """A mail server for one message."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(f"{text}\r\n".encode())
                stream.flush()

            say("220 here")
            while line := stream.readline().decode().strip():
                if line.upper() == "DATA":
                    say("354 go on")
                    while (text := stream.readline().decode().rstrip("\r\n")) != ".":
                        self.lines.append(text)
                say("221 bye" if line.upper() == "QUIT" else "250 ok")
                if line.upper() == "QUIT":
                    return

    def message(self) -> email.message.Message:
        self.thread.join(timeout=20)
        return email.message_from_string("\n".join(self.lines))


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


class Chat:
    """A chat that takes one message, as JSON."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        messages = self.messages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.handle_request, daemon=True)
        self.thread.start()


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
