"""The watch: a red run for what is new, and each alarm told once."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def watch(read_dags, tmp_path, monkeypatch):
    """Run the watch of a site whose log was never read; gives the state of its run."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import database_url, running_database
    from stereo_tasks.settings import load_settings

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "alarms.yaml").write_text("free_space: 1 kB\nnotify: {file: told.jsonl}\n")
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    settings = load_settings()
    with running_database(settings):
        url = database_url(settings, "catalog")
        monkeypatch.setenv("STEREO_CATALOG_URL", url)
        migrate(Catalog(url))
        yield lambda: str(read_dags().dags["watch_nights"].test().state)


def test_each_alarm_is_told_once(watch, tmp_path, capfd):
    told = tmp_path / "told.jsonl"
    assert watch() == "failed"
    lines = [json.loads(line)["kind"] for line in told.read_text().splitlines()]
    assert "log unread" in lines
    assert "the stereo log was never read -> look at detect_nights" in capfd.readouterr().out
    assert watch() == "success"
    assert len(told.read_text().splitlines()) == len(lines)
    assert "0 of them new" in capfd.readouterr().out


def test_what_cannot_be_told_is_told_the_next_time(watch, tmp_path):
    told = tmp_path / "told.jsonl"
    told.mkdir()
    assert watch() == "failed"
    told.rmdir()
    assert watch() == "failed"
    assert "log unread" in told.read_text()
    assert watch() == "success"
