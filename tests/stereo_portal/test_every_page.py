"""Every page in a real browser, on a screen and on a telephone, light and dark."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from people import logged_in
from serving import served
from stereo_portal.app import create_app

LOG = "Traceback of <b>dl2</b>\n" * 40 + "ValueError: no forest for NSB 0.5\n"


@pytest.fixture(scope="module")
def site(output, nights, scene):
    """The portal as Airflow mounts it, with a season, and a log of the element that failed."""
    night = nights["failed"]
    folder = output / "mcp062" / "CrabNebula" / "logs" / night.lst_date
    folder.mkdir(parents=True)
    (folder / "one.log").write_text(LOG)
    scene.logs(night, str(folder / "one.log"))
    season = output / "mcp062" / "CrabNebula" / "Season" / "all"
    season.mkdir(parents=True)
    (season / "season.html").write_text("<html><body>the season</body></html>")
    (season / "results.yaml").write_text(
        "counts:\n  significance_sigma: 41.234567\n  on: 1234\nversions: {gammapy: '2.1'}\n"
    )
    for number, name in enumerate(("done", "partial", "failed")):
        scene.judged(nights[name], "good", "warning", "bad", first_run=100 * number)
    portal = logged_in(create_app(), "op")
    app = FastAPI()
    app.mount("/nights", portal)
    with served(app) as address:
        yield f"{address}/nights/"


def _paths(nights):
    failed, done = nights["failed"].lst_date, nights["done"].lst_date
    return {
        "nights": "",
        "failed night": f"mcp062/{failed}",
        "done night": f"mcp062/{done}",
        "elements": f"mcp062/{failed}/elements?source=CrabNebula",
        "element": f"mcp062/{failed}/element?source=CrabNebula&name=dl2/00001",
        "calendar": "calendar",
        "runs": "runs",
        "trends": "trends",
        "seasons": "seasons",
        "digest": "digest",
        "hold": f"mcp062/{failed}/hold",
        "reprocess": f"mcp062/{failed}/reprocess",
        "overrule": f"mcp062/{done}/overrule",
        "season": "seasons/mcp062/CrabNebula",
        "season that zooms": "seasons/mcp062/CrabNebula/all/zoom",
        "error": "mcp062/nonsense",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_is_quiet(browser, site, nights, width, scheme, tmp_path):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab, complaints = context.new_page(), []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    for name, path in _paths(nights).items():
        tab.goto(site + path)
        tab.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        ground, ink = tab.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
        assert (_brightness(ground) < _brightness(ink)) == (scheme == "dark"), name
    context.close()
    assert [text for text in complaints if "404" not in text and "favicon" not in text] == []


def _brightness(colour: str) -> float:
    return sum(map(float, colour.removeprefix("rgb(").removesuffix(")").split(",")))
