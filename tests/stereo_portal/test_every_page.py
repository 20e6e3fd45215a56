"""Every page in a real browser as everybody, on a screen and on a telephone, light and dark; and every action."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from people import logged_in
from routes import OPERATOR, ROLES, WHO, every_route
from serving import served
from stereo_portal.app import create_app

LOG = "Traceback of <b>dl2</b>\n" * 40 + "ValueError: no forest for NSB 0.5\n"
STRANGER = "stranger"
# A script, a download, and what leads on to another page.
NO_PAGES = {"/open.js", "/runs.csv", "/run"}
LOOKS = ((1280, "light"), (390, "light"), (390, "dark"), (1280, "dark"))
# Grounds of what is large enough to be seen as a panel: a button has the colour of links.
MEASURE = """() => {
  const of = element => getComputedStyle(element).backgroundColor;
  const seen = [...document.querySelectorAll("body, body *:not(button)")].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width * box.height > 3000 && !of(element).startsWith("rgba");
  });
  return [document.documentElement.scrollWidth, getComputedStyle(document.body).color, seen.map(of)];
}"""


@pytest.fixture(scope="module")
def fitting(output, nights, scene):
    """Values for every address, with a season, and a log of the element that failed."""
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
    done = nights["done"].lst_date
    return {"production": "mcp062", "source": "CrabNebula", "night": done, "of": "all", "name": "dl2/00001"}


@pytest.fixture(scope="module")
def site(fitting):
    """The portal as Airflow mounts it, once for each role and for a stranger; gives the address of these."""
    app = FastAPI()
    for role in ROLES:
        app.mount(f"/{role}/nights", logged_in(create_app(), role, f"{role}-ana"))
    app.mount(f"/{STRANGER}/nights", create_app())
    app.get(f"/{STRANGER}/api/v2/auth/login")(lambda: HTMLResponse("the login"))
    with served(app) as address:
        yield address


@pytest.fixture
def tab(browser):
    """A tab that complains about nothing but what is refused."""
    context = browser.new_context()
    tab, complaints = context.new_page(), []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert [text for text in complaints if not any(word in text for word in ("404", "403", "favicon"))] == []


@pytest.fixture
def pages(fitting, nights):
    """Every route that is a page, by its address; those of a night also of one that failed."""
    found = {
        route.address(fitting): route for route in every_route() if route.method == "GET" and route.path not in NO_PAGES
    }
    failed = {**fitting, "night": nights["failed"].lst_date}
    more = [route for route in found.values() if "night" in route.in_path and WHO[str(route)] != OPERATOR]
    return found | {route.address(failed): route for route in more}


@pytest.mark.parametrize("role", ROLES)
def test_every_page_fits_and_is_quiet(tab, site, pages, role):
    for address, route in [*pages.items(), ("/mcp062/nonsense", None)]:
        for_others = route is not None and role == "viewer" and WHO[str(route)] == OPERATOR
        answer = tab.goto(f"{site}/{role}/nights{address}")
        missing = route is None or (route.is_page_of_files and tab.locator("nav").count() == 1)
        missing = missing or (route.is_frame and tab.locator("iframe").count() == 0)
        assert answer.status == (404 if missing else 403 if for_others else 200), address
        assert (tab.locator("form.decision, .decisions a, a[href*='overrule']").count() == 0) or role != "viewer"
        if route is not None and route.is_page_of_files and not missing:
            continue  # it looks as whoever made it wants
        for width, scheme in LOOKS:
            tab.set_viewport_size({"width": width, "height": 800})
            tab.emulate_media(color_scheme=scheme)
            wide, ink, grounds = tab.evaluate(MEASURE)
            assert wide <= width, (address, width)
            for ground in grounds:
                assert (_brightness(ground) < _brightness(ink)) == (scheme == "dark"), (address, scheme, ground)


def test_a_stranger_comes_to_the_login_from_every_page(tab, site, pages):
    for address in pages:
        tab.goto(f"{site}/{STRANGER}/nights{address}")
        came = urlsplit(tab.url)
        assert came.path == f"/{STRANGER}/api/v2/auth/login", address
        assert parse_qs(came.query)["next"] == [f"/{STRANGER}/nights{address}"]


def test_every_action_is_carried_out_by_those_who_may(tab, site, root, scene):
    """But for what needs Airflow, see test_in_airflow.py."""
    from published_site import PublishedSite

    from stereo_tasks.processing.withdrawing import note_publication

    # Of one there are only verdicts, of the other there are files that can be withdrawn.
    judged, published = scene.night(40), scene.night(41)
    scene.log(judged)
    scene.judged(judged, "good", "bad", first_run=11)
    made = PublishedSite(root)
    made.publish(str(published), [11, 12])
    note_publication(scene.catalog, made.root, "mcp062", published)
    scene.judged(published, "good", "good", first_run=11)
    run = f"{judged}/CrabNebula/12"
    tab.set_viewport_size({"width": 390, "height": 800})
    for name, said, fields in (
        ("hold", "is held, by", {"source": "CrabNebula"}),
        ("release", "is released", {"source": "CrabNebula"}),
        ("overrule", "good instead of bad", {"run": run, "level": "good"}),
        ("lift-overrule", "is bad again", {"run": run}),
        ("sign-off", "is signed off by admin-ana", {}),
        ("lift-sign-off", "not signed off any more", {}),
        ("withdraw", "is withdrawn", {"what": "CrabNebula/12"}),
        ("lift-withdrawal", "is published again", {"what": "CrabNebula/12"}),
    ):
        night = published if "withdraw" in name else judged
        home = f"{site}/admin/nights/mcp062/{night.lst_date}"
        tab.goto(home)
        tab.click(f'.decisions a[href$="/{name}"]')
        for field, value in fields.items():
            tab.select_option(f"form.decision [name={field}]", value)
        tab.fill("form.decision [name=reason]", f"because of {name}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.click("form.decision button")
        assert tab.url == home
        assert said in tab.inner_text("[role=status]"), name


def _brightness(colour: str) -> float:
    return sum(map(float, colour.removeprefix("rgb(").removesuffix(")").split(",")))
