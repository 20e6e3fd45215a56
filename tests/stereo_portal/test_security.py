"""What others can write (log, output tree, addresses) does nothing in a shifter's browser, and breaks no page."""

from __future__ import annotations

import os

import pytest
from fastapi.testclient import TestClient
from people import logged_in
from stereo_portal.app import create_app
from stereo_portal.qa_page import MOST_BYTES

LAST_LINE = "<script>alert(1)</script>\x1b[31m the end\n"
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


@pytest.mark.parametrize("name", ["a" * 300, "\ud800".encode("utf-8", "surrogatepass"), "a\nb", "'", "%"])
def test_odd_values_of_the_form_break_no_page(client, name):
    for field in ("source", "state"):
        assert client.get("/", params={field: name}).status_code == 200
    for field in ("production", "first", "last"):
        assert client.get("/", params={field: name}).status_code == 404


@pytest.mark.parametrize("night", ["9999-12-31", "2100-01-01", "99991231"])
def test_nights_behind_the_end_of_the_calendar_are_no_pages(client, night):
    assert client.get("/", params={"first": night}).status_code == 404
    assert client.get(f"/mcp062/{night}").status_code == 404


@pytest.fixture
def failed(nights, scene, output):
    """The element that failed: a function that names its log, and gives the pages that would show it."""
    night = nights["failed"]

    def pages(client, log):
        scene.logs(night, str(log))
        addresses = (f"/mcp062/{night.lst_date}", f"/mcp062/{night.lst_date}/element?source=CrabNebula&name=dl2/00001")
        return [client.get(address) for address in addresses]

    return pages


def test_the_log_of_an_element_is_shown_from_its_end_and_escaped(client, failed, output):
    log = output / "mcp062" / "one.log"
    log.write_text(
        "the beginning\n" + "x" * 79 + "\n" + "a line\n" * 50_000 + "<script>alert(1)</script>\x1b[31m the end\n"
    )
    for answer in failed(client, log):
        assert answer.status_code == 200
        assert "&lt;script&gt;alert(1)&lt;/script&gt;[31m the end" in answer.text
        assert "<script>" not in answer.text
        assert "the beginning" not in answer.text
        assert len(answer.content) < 100_000


@pytest.mark.parametrize(
    "way", ["outside", "up", "link", "folder link", "pipe", "folder", "not there", "nothing", "odd"]
)
def test_a_log_that_is_none_of_ours_is_not_shown(client, failed, output, tmp_path, way):
    secret = tmp_path / "keys.json"
    secret.write_text("hunter2")
    below = output / "mcp062" / way
    below.mkdir()
    (below / "link.log").symlink_to(secret)
    (below / "linked").symlink_to(tmp_path)
    os.mkfifo(below / "pipe")  # to read it would wait for ever
    log = {
        "outside": secret, "up": f"{output}/mcp062/../../{secret.name}", "link": below / "link.log",
        "folder link": below / "linked" / "keys.json", "pipe": below / "pipe", "folder": below,
        "not there": below / "none.log", "nothing": "", "odd": f"{below}/\u202e{'a' * 300}",
    }[way]  # fmt: skip
    for answer in failed(client, log):
        assert answer.status_code == 200
        assert "hunter2" not in answer.text
        assert way == "nothing" or "It is not shown: " in answer.text


def test_a_season_is_shown_from_the_output_alone(client, output, nights, tmp_path):
    folder = output / "mcp062" / "CrabNebula" / "Season" / "all"
    folder.mkdir(parents=True)
    (tmp_path / "results.yaml").write_text("password: hunter2")
    (folder / "results.yaml").symlink_to(tmp_path / "results.yaml")
    (folder / "season.html").symlink_to(tmp_path / "results.yaml")
    text = client.get("/seasons/mcp062/CrabNebula").text
    assert "its numbers are not shown: its path leads through a link" in text
    assert "hunter2" not in text
    assert "leads out of the output tree" in client.get("/seasons/mcp062/CrabNebula/all").text
    (folder / "results.yaml").unlink()
    (folder / "results.yaml").write_text("a: &a [x]\nb: [*a, *a]\nname: <script>\nobject: !!python/object:os.system {}")
    assert "its numbers cannot be read" in client.get("/seasons/mcp062/CrabNebula").text
    (folder / "season.html").unlink()
    (folder / "season.html").write_text("<script>1</script>")
    policy = client.get("/seasons/mcp062/CrabNebula/all").headers["Content-Security-Policy"]
    assert policy.split(";")[0] == "sandbox"


def test_a_season_folder_that_is_a_link_tells_nothing(client, output, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "results.yaml").write_text("password: hunter2")
    (tmp_path / "private" / "season.html").write_text("hunter2")
    (output / "mcp062" / "Mrk501").mkdir()
    (output / "mcp062" / "Mrk501" / "Season").symlink_to(tmp_path)
    for path in ("", "/private"):
        text = client.get(f"/seasons/mcp062/Mrk501{path}").text
        assert "hunter2" not in text
    assert "private" not in client.get("/seasons/mcp062/Mrk501").text


@pytest.mark.parametrize("path", ["/seasons/mcp062/..%2f..", "/seasons/nope/CrabNebula", "/seasons/mcp062/Crab/%2e%2e",
                                  "/seasons/mcp062/CrabNebula/..%2fx", "/calendar?year=1e9", "/calendar?year=-1",
                                  "/runs?zenith_min=nan", "/runs?zenith_max=-1", "/runs?first=x", "/trends?last=x",
                                  "/calendar?production=x", "/seasons?production=x", "/run?id=nothing",
                                  "/runs.csv?last=x",
                                  "/mcp062/20240110/element?source=x&name=../x"])  # fmt: skip
def test_what_nothing_is_called_is_no_page(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "All nights" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_no_form_puts_markup_into_a_page(client):
    attack = '"><script>alert(1)</script>'
    for path in ("runs", "trends", "calendar", "mcp062/20240110/elements"):
        for field in ("source", "level", "metric", "zenith_min", "production"):
            answer = client.get(f"/{path}", params={"source": "x", field: attack})
            assert answer.status_code in (200, 404)
            assert "<script>" not in answer.text


def test_a_table_for_other_programs_holds_no_formula(client, scene, nights):
    from stereo_tasks.catalog.models import RunVerdict

    night = nights["done"]
    scene.add(
        RunVerdict(
            production="mcp062", night=night.evening, source="=1+1", run=7, level="bad", reasons=["=cmd()"], metrics={},
            zenith_deg=None, live_time_s=None, plan="p", judged_utc=scene.now,
        )
    )  # fmt: skip
    answer = client.get("/runs.csv", params={"first": night, "last": night})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert f"mcp062,{night},'=1+1,7,,,bad,bad,,'=cmd(),False" in answer.text


def test_every_answer_has_the_headers(client, nights, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("something else")

    night = nights["done"].lst_date
    stranger = TestClient(create_app())
    app = logged_in(create_app())
    app.add_api_route("/number", lambda number: number, dependencies=[])
    careless = TestClient(app, raise_server_exceptions=False)
    answers = {
        200: client.get("/runs.csv"),
        303: stranger.get("/runs", headers={"Accept": "text/html"}, follow_redirects=False),
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
        assert answer.headers["Referrer-Policy"] == "same-origin"
        if status not in (200, 303, 307):
            assert "All nights" in answer.text
    assert "something else" not in answers[500].text
    assert "stereo doctor" in answers[500].text


def test_a_qa_page_is_in_a_sandbox(client, nights):
    policy = client.get(f"/mcp062/CrabNebula/{nights['done'].lst_date}").headers["Content-Security-Policy"]
    assert policy.split(";")[0] == "sandbox"
