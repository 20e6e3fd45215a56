"""What others can write (log, output tree, addresses) does nothing in a shifter's browser, and breaks no page."""

from __future__ import annotations

import os

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient
from stereo_portal.app import create_app
from stereo_portal.qa_page import MOST_BYTES

pytestmark = pytest.mark.usefixtures("output")


@pytest.fixture
def page(output, nights):
    """The file of the QA page of a night that has none."""
    file = output / "mcp062" / "CrabNebula" / "QA" / nights["partial"].lst_date / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def address(nights):
    return f"/mcp062/CrabNebula/{nights['partial'].lst_date}"


def test_a_page_that_is_a_link_out_of_the_output_is_not_served(client, page, address, output, tmp_path):
    secret = tmp_path / "passwords.json"
    secret.write_text('{"admin": "hunter2"}')
    for target in (secret, os.path.relpath(secret, page.parent), "/etc/passwd", output.parent / "products" / ".."):
        page.symlink_to(target)
        answer = client.get(address)
        page.unlink()
        assert answer.status_code == 404
        assert "hunter2" not in answer.text
        assert "root:" not in answer.text
        assert "leads out of the output tree" in answer.text
        assert "stereo backfill" in answer.text


def test_a_folder_that_is_a_link_out_of_the_output_is_not_served(client, output, nights, tmp_path):
    (tmp_path / "QA" / nights["done"].lst_date).mkdir(parents=True)
    (tmp_path / "QA" / nights["done"].lst_date / "report.html").write_text("hunter2")
    (output / "mcp062" / "Mrk421").symlink_to(tmp_path)
    assert "hunter2" not in client.get(f"/mcp062/Mrk421/{nights['done'].lst_date}").text


def test_a_link_within_the_output_is_served_and_so_is_an_output_behind_a_link(
    client, page, address, output, root, monkeypatch
):
    (output / "kept.html").write_text("the page that was kept")
    page.symlink_to(output / "kept.html")
    assert "the page that was kept" in client.get(address).text
    (root / "behind").symlink_to(output)
    monkeypatch.setattr("stereo_portal.night_pages.output_folder", lambda: root / "behind")
    assert "the page that was kept" in client.get(address).text


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe\x00\x01", "it is no text"), (b"x" * (MOST_BYTES + 1), "more than 20 MB")],
)
def test_a_damaged_page_says_what_to_do(client, page, address, content, reason):
    page.write_bytes(content)
    answer = client.get(address)
    assert answer.status_code == 404
    assert reason in answer.text
    assert str(page) in answer.text
    assert "stereo backfill" in answer.text


def test_what_is_no_file_is_no_page(client, page, address):
    page.mkdir()
    try:
        assert "no file" in client.get(address).text
    finally:
        page.rmdir()
    os.mkfifo(page)  # to read it would wait for ever
    assert "no file" in client.get(address).text
    page.unlink()
    page.symlink_to(page)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("name", ["a" * 300, "%00", "%ff", "a%0ab", "-", "%2e%2e", "%F0%9F%94%AD", "Crab%20A", "١"])
def test_names_that_nothing_has_are_no_pages(client, nights, name):
    night = nights["done"].lst_date
    for path in (f"/mcp062/{name}/{night}", f"/{name}/CrabNebula/{night}", f"/{name}/{night}", f"/mcp062/{name}"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "There is no such page" in answer.text or "Not Found" in answer.text


@pytest.mark.parametrize("name", ["a" * 300, "\x00", "\ud800".encode("utf-8", "surrogatepass"), "a\nb", "'", "%"])
def test_odd_values_of_the_form_break_no_page(client, name):
    for field in ("source", "state"):
        assert client.get("/", params={field: name}).status_code == 200
    for field in ("production", "first", "last"):
        assert client.get("/", params={field: name}).status_code == 404


@pytest.mark.parametrize("night", ["9999-12-31", "2100-01-01", "99991231"])
def test_nights_behind_the_end_of_the_calendar_are_no_pages(client, night):
    assert client.get("/", params={"first": night}).status_code == 404
    assert client.get(f"/mcp062/{night}").status_code == 404


def test_every_answer_has_the_headers(client, nights, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("something else")

    night = nights["done"].lst_date
    stranger = TestClient(create_app())
    app = create_app()
    app.dependency_overrides[get_user] = lambda: "somebody"
    app.add_api_route("/number", lambda number: number, dependencies=[])
    careless = TestClient(app, raise_server_exceptions=False)
    answers = {
        200: client.get("/"),
        401: stranger.get("/"),
        404: client.get("/no/such/page/here"),
        405: client.post("/"),
        422: careless.get("/number"),
        307: client.get(f"/mcp062/{night}/", follow_redirects=False),
    }
    monkeypatch.setattr("stereo_portal.night_pages.output_folder", broken)
    answers[500] = careless.get(f"/mcp062/CrabNebula/{night}")
    monkeypatch.setenv("STEREO_CATALOG_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    answers[503] = client.get("/")
    for status, answer in answers.items():
        assert answer.status_code == status
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, status
        assert "script" not in policy, status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        if status not in (200, 307):
            assert "All nights" in answer.text
    assert "something else" not in answers[500].text
    assert "stereo doctor" in answers[500].text


def test_a_qa_page_is_in_a_sandbox(client, nights):
    policy = client.get(f"/mcp062/CrabNebula/{nights['done'].lst_date}").headers["Content-Security-Policy"]
    assert policy.split(";")[0] == "sandbox"
