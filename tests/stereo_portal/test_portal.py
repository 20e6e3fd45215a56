"""What a shifter sees of the nights inside Airflow's interface."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from stereo_portal.app import create_app
from stereo_portal.plugin import StereoPortalPlugin

pytestmark = pytest.mark.usefixtures("output")


def _rows(text: str) -> list[str]:
    return re.findall(r"<tr>\s*<td.*?</tr>", text, re.DOTALL)


def test_without_a_login_nothing_is_shown(nights):
    stranger = TestClient(create_app())
    night = nights["done"].lst_date
    for path in ("/", "/?state=held", f"/mcp062/{night}", f"/mcp062/CrabNebula/{night}"):
        assert stranger.get(path).status_code == 401


def test_the_list_has_every_night_with_word_and_reason(client, nights):
    text = client.get("/").text
    rows = _rows(text)
    for name, night in nights.items():
        if name == "not asked":
            continue  # a hundred days ago
        (row,) = [row for row in rows if str(night) in row]
        word = "held" if name == "by person" else name
        assert f'class="state {word.replace(" ", "-")}">{word}<' in row
    assert rows[0].index(str(nights["waiting"])) > 0  # the newest night comes first
    assert "dl2/00001: exit code 1" in text
    assert str(nights["not asked"]) not in text


def test_what_people_write_is_escaped(client, nights):
    for path in ("/", f"/mcp062/{nights['by person'].lst_date}"):
        text = client.get(path).text
        assert "clouds &lt;b&gt;all&lt;/b&gt; night" in text
        assert "<b>all</b>" not in text
    text = client.get("/", params={"source": '"><script>alert(1)</script>'}).text
    assert "<script>" not in text


def test_filters(client, nights):
    (row, other) = _rows(client.get("/", params={"state": "held"}).text)
    assert str(nights["held"]) in row + other
    assert str(nights["by person"]) in row + other
    assert _rows(client.get("/", params={"source": "Mrk421"}).text) == []
    (row,) = _rows(client.get("/", params={"first": nights["done"], "last": nights["done"]}).text)
    assert "4/4" in row
    old = nights["not asked"]
    text = client.get("/", params={"last": old}).text  # thirty nights up to it
    assert [str(old) in row for row in _rows(text)] == [True]
    # An empty field of the form is no filter.
    empty = {"first": "", "last": "", "source": "", "state": "", "production": ""}
    assert len(_rows(client.get("/", params=empty).text)) == len(nights) - 1


@pytest.mark.parametrize(
    "params", [{"first": "yesterday"}, {"production": "nope"}, {"last": "2001-01-01"}, {"first": "<i>"}]
)
def test_nonsense_is_answered_with_what_to_do(client, params):
    answer = client.get("/", params=params)
    assert answer.status_code == 404
    assert "<i>" not in answer.text
    assert "All nights" in answer.text


def test_alarms_stand_above(client, scene):
    scene.reading(changed_h=24 * 40, seen_h=9)
    text = client.get("/").text
    assert "the stereo log was last read" in text
    assert "the stereo log has not changed since" in text
    assert text.index("alarm,") < text.index("<table ")


def test_the_page_of_a_night_tells_its_story(client, scene, nights):
    night = nights["failed"]
    scene.changed(night, "changed", 30)
    scene.job(night, "p", state="OUT_OF_MEMORY", reason="oom-kill", exit_code=None, signal=9)
    scene.hold(night, "CrabNebula", released_utc=scene.ago(1), released_by="ben", reason="wait for Ana")
    text = client.get(f"/mcp062/{night.lst_date}").text
    for part in (
        "exit code 1", "/logs/one.log", "failed: 4 of 4 runs", "same_wobble_min: 75.0 became 60.0", "OUT_OF_MEMORY",
        "signal 9", "812 MB", "wait for Ana", "by ben", "LST-1 4 of 4 runs", "stereo backfill", "dl2", "3/4",
    ):  # fmt: skip
        assert part in text, part


def test_a_night_of_which_nothing_is_known(client):
    answer = client.get("/mcp062/20191224")
    assert answer.status_code == 200
    assert "Nothing is known of this night" in answer.text


def test_the_qa_page_is_one_click_away(client, nights):
    night = nights["done"].lst_date
    link = f"mcp062/CrabNebula/{night}"
    assert f'href="{link}/zoom"' in client.get("/").text
    assert f'href="../{link}/zoom"' in client.get(f"/mcp062/{night}").text
    assert "the page" in client.get("/" + link).text


def test_no_page_can_load_or_run_anything(client, nights):
    night = nights["done"].lst_date
    for path in ("/", f"/mcp062/{night}", f"/mcp062/CrabNebula/{night}", "/?first=x"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
    # Only our own form may be sent; a QA page is made of files that others can write.
    assert "form-action 'none'" in client.get(f"/mcp062/CrabNebula/{night}").headers["Content-Security-Policy"]
    assert "form-action 'self'" in client.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/mcp062/CrabNebula/20180101",
        "/mcp062/../20240110",
        "/mcp062/%2e%2e/20240110",
        "/..%2f..%2fsecret.html/x/20240110",
        "/mcp062/CrabNebula/..%2f..",
        "/.hidden/CrabNebula/20240110",
        "/../secret.html",
        "/mcp062/secret.html",
        "/nope/20240110",
    ],
)
def test_other_paths_lead_nowhere(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert ">secret<" not in answer.text
    assert answer.text != "secret"


def test_without_the_catalog_the_page_says_what_to_do(client, monkeypatch):
    monkeypatch.setenv("STEREO_CATALOG_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    for path in ("/", "/mcp062/20240110"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert "stereo doctor" in answer.text


def test_airflow_finds_the_plugin():
    from importlib.metadata import entry_points

    found = {entry.name: entry.load() for entry in entry_points(group="airflow.plugins")}
    assert found["stereo_portal"] is StereoPortalPlugin
