"""The message of the morning, through the real DAG, to a mail server and a chat."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stereo_portal"))  # for receivers

from receivers import Chat, Mailbox

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with an empty catalog, a mail server and a chat."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import database_url, running_database
    from stereo_tasks.settings import load_settings

    notify = "{mail_connection: mail, mail_to: [ana@example.org, ben@example.org], chat_connection: chat}"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "alarms.yaml").write_text(f"notify: {notify}\n")
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    settings = load_settings()
    with running_database(settings):
        url = database_url(settings, "catalog")
        monkeypatch.setenv("STEREO_CATALOG_URL", url)
        migrate(Catalog(url))
        yield


@pytest.mark.usefixtures("site")
def test_a_mail_as_text_and_html_and_a_message_in_a_chat(read_dags, monkeypatch, capfd):
    mailbox, chat = Mailbox(), Chat()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "site@example.org"}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": mailbox.port, "extra": extra}
    path = {"path": f"json://127.0.0.1:{chat.server.server_port}"}
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(mail))
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "apprise", "extra": {"config": path}}))
    assert str(read_dags().dags["morning_digest"].test().state) == "success"
    message = mailbox.message()
    assert message["To"] == "ana@example.org, ben@example.org"
    assert message.get_content_type() == "multipart/alternative"
    parts = {part.get_content_type(): part.get_payload(decode=True).decode() for part in message.walk()
             if not part.is_multipart()}  # fmt: skip
    assert set(parts) == {"text/plain", "text/html"}
    chat.thread.join(timeout=20)
    (told,) = chat.messages
    for text in (parts["text/plain"], parts["text/html"], told["message"], capfd.readouterr().out):
        assert "nothing was worked on" in text
        assert "the stereo log was never read" in text
