import json

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient
from stereo_portal.app import create_app
from stereo_portal.plugin import StereoPortalPlugin


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    folder = tmp_path / "products" / "mcp062" / "CrabNebula" / "QA" / "20240110"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<html>the page</html>")
    verdict = {"level": "good", "reason": "<script>alert(1)</script>"}
    content = {"verdict": verdict, "runs": [1, 2], "metrics": {"significance_sigma": 22.7}}
    (folder / "qa.json").write_text(json.dumps(content))
    (tmp_path / "products" / "secret.html").write_text("secret")
    return tmp_path / "products"


@pytest.fixture
def client(output):
    app = create_app()
    app.dependency_overrides[get_user] = lambda: "somebody"
    return TestClient(app)


def test_without_a_login_nothing_is_shown(output):
    stranger = TestClient(create_app())
    for path in ("/", "/mcp062/CrabNebula/20240110"):
        assert stranger.get(path).status_code == 401


def test_the_list_names_the_night_and_escapes_what_it_is_told(client):
    text = client.get("/").text
    assert "2024-01-10" in text
    assert "22.7" in text
    assert "<script>" not in text


def test_a_page_is_one_click_away_and_cannot_load_or_run_anything(client):
    link = client.get("/").text.split('href="')[1].split('"')[0]
    answer = client.get("/" + link)
    assert "the page" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/mcp062/CrabNebula/20240111",
        "/mcp062/../20240110",
        "/mcp062/%2e%2e/20240110",
        "/..%2f..%2fsecret.html/x/20240110",
        "/mcp062/CrabNebula/..%2f..",
        "/.hidden/CrabNebula/20240110",
    ],
)
def test_other_paths_lead_nowhere(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_an_unreadable_file_does_not_hide_the_others(client, output):
    folder = output / "mcp062" / "Mrk421" / "QA" / "20240112"
    folder.mkdir(parents=True)
    (folder / "qa.json").write_text("{")
    text = client.get("/").text
    assert "cannot be read" in text
    assert "CrabNebula" in text


def test_airflow_finds_the_plugin():
    from importlib.metadata import entry_points

    found = {entry.name: entry.load() for entry in entry_points(group="airflow.plugins")}
    assert found["stereo_portal"] is StereoPortalPlugin
