"""The portal inside of a real Airflow: its menu, its login, and how many clicks lead where."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from serving import served

BASE = "/stereo-ab12cd"
USERS = {"admin": "admin", "operator": "op", "shifter": "viewer"}
MOST_CLICKS = 3
DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def airflow(output, nights, scene, tmp_path_factory):
    """Airflow's api-server with the plugin, served below a path of its own; gives its address."""
    from airflow.api_fastapi import app as api
    from airflow.utils.db import initdb

    folder = tmp_path_factory.mktemp("airflow")
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps({user: f"{user}-password" for user in USERS}))
    for number, name in enumerate(("done", "partial")):
        scene.judged(nights[name], "good", "bad", first_run=100 * number)
    log = output / "mcp062" / "CrabNebula" / "logs" / "one.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("ValueError: no forest for NSB 0.5\n")
    scene.logs(nights["failed"], str(log))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{u}:{role}" for u, role in USERS.items()))
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setattr(api, "API_ROOT_PATH", f"{BASE}/")  # as [api] base_url gives it, which is read once
        patch.setenv("AIRFLOW__API__BASE_URL", f"http://localhost{BASE}")
        initdb()
        _know_dag("request_nights")
        api.purge_cached_app()
        with served(api.create_app(apps="core")) as address:
            yield address.replace("127.0.0.1", "localhost")
        api.purge_cached_app()


def _know_dag(name: str) -> None:
    """Let Airflow's database have a DAG of this checkout, as the dag-processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(dag_folder=str(DAGS / f"{name}.py"), bundle_path=DAGS, bundle_name="dags-folder")
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture
def tab(browser, airflow):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def one_click_away(browser, airflow):
    """A tab of a shifter, who has clicked once: on *Nights* in Airflow's menu."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    _log_in(tab, airflow, "shifter")
    tab.get_by_text("Nights", exact=True).click()
    tab.wait_for_url("**/nights/")
    yield tab
    context.close()


def _log_in(tab, airflow, user, path="/"):
    tab.goto(f"{airflow}{BASE}{path}")
    tab.fill("input[name=username]", user)
    tab.fill("input[name=password]", f"{user}-password")
    tab.click("button[type=submit]")


class Clicks:
    """Somebody who clicks; once already."""

    def __init__(self, tab, address) -> None:
        self.tab, self.number = tab, 1
        tab.goto(address)

    def click(self, selector: str) -> None:
        self.number += 1
        self.tab.click(selector)
        self.tab.wait_for_load_state()


def _to_last_night(one, nights):
    assert str(nights["done"]) in one.tab.inner_text("table")


def _to_why_it_is_not_done(one, nights):
    assert "dl2/00001: exit code 1" in one.tab.locator("tr", has_text=str(nights["failed"])).inner_text()


def _to_the_theta2_plot(one, nights):
    one.click(f'a[href="mcp062/{nights["done"].lst_date}"]')
    one.click('a:text-is("theta² plot")')
    assert one.tab.frames[-1].url.endswith(f"/CrabNebula/{nights['done'].lst_date}#theta2")
    assert "the page" in one.tab.frame_locator("iframe").locator("body").inner_text()


def _to_the_log_of_a_failed_element(one, nights):
    one.click(f'a[href="mcp062/{nights["failed"].lst_date}"]')
    assert "no forest for NSB 0.5" in one.tab.inner_text("pre")


def _to_the_dl3_folder(one, nights):
    one.click(f'a[href="mcp062/{nights["done"].lst_date}"]')
    assert f"/out/CrabNebula/DL3/{nights['done'].lst_date}" in one.tab.inner_text("dl")
    assert "DataStore.from_dir" in one.tab.inner_text("dl")


def _to_the_good_runs_of_a_month(one, nights):
    one.click("nav >> text=Runs")
    one.click("text=/CrabNebula, \\d{4}-\\d\\d/")
    levels = one.tab.locator('td[data-label="counts as"]').all_inner_texts()
    assert levels
    assert set(levels) == {"good"}


@pytest.mark.parametrize(
    "lead", [_to_last_night, _to_why_it_is_not_done, _to_the_theta2_plot, _to_the_log_of_a_failed_element,
             _to_the_dl3_folder, _to_the_good_runs_of_a_month],
)  # fmt: skip
def test_everything_is_a_few_clicks_from_airflow(one_click_away, airflow, nights, lead):
    one = Clicks(one_click_away, f"{airflow}{BASE}/nights/")
    lead(one, nights)
    print(f"{lead.__name__}: {one.number} clicks")
    assert one.number <= MOST_CLICKS


@pytest.mark.parametrize("user", USERS)
def test_a_stranger_comes_to_the_login_and_back(tab, airflow, nights, user):
    night = nights["done"]
    _log_in(tab, airflow, user, f"/nights/mcp062/{night.lst_date}?from=mail")
    tab.wait_for_url(f"**{BASE}/nights/mcp062/{night.lst_date}?from=mail")
    assert f"Night of {night}" in tab.inner_text("h1")
    assert tab.locator("nav >> text=Airflow").evaluate("link => link.href") == f"{airflow}{BASE}/"
    for path in ("calendar", "runs", "trends", "seasons", "digest"):
        assert tab.goto(f"{airflow}{BASE}/nights/{path}").status == 200


@pytest.fixture(scope="module")
def operator(browser, airflow):
    """The tab of an operator, on a telephone, who is logged in."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    _log_in(tab, airflow, "operator", "/nights/")
    tab.wait_for_url("**/nights/")
    yield tab
    context.close()


def _decide(one, link, **fields):
    """Click on a link, fill in the form, and send it; return what the page of the night says."""
    one.click(link)
    assert one.tab.evaluate("document.documentElement.scrollWidth") <= 390
    for name, value in fields.items():
        field = one.tab.locator(f"form.decision [name={name}]")
        field.select_option(value) if field.evaluate("f => f.tagName") == "SELECT" else field.fill(value)
    one.click("form.decision button")
    return one.tab.inner_text("[role=status]")


def test_an_operator_holds_and_releases_a_night(operator, airflow, nights, scene):
    from stereo_tasks.catalog.holds import open_holds

    night = nights["partial"]
    one = Clicks(operator, f"{airflow}{BASE}/nights/")
    said = _decide(one, f'a[href^="mcp062/{night.lst_date}/hold"]', reason="clouds")
    assert "CrabNebula in the night of" in said
    assert one.number <= MOST_CLICKS
    (row,) = open_holds(scene.catalog, "mcp062", night=night)
    assert (row.held_by, row.reason) == ("operator", "clouds")
    assert operator.url.endswith(f"/nights/mcp062/{night.lst_date}")
    assert "is released" in _decide(one, ".decisions >> text=Release", reason="clear")
    assert open_holds(scene.catalog, "mcp062", night=night) == ()
    operator.reload()
    assert operator.locator("[role=status]").count() == 0


def test_an_operator_has_a_night_processed_again(operator, airflow, nights):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    night = nights["done"]
    one = Clicks(operator, f"{airflow}{BASE}/nights/")
    said = _decide(one, f'a[href^="mcp062/{night.lst_date}/reprocess"]', reason="new forests", extent="dl2")
    assert "was asked for again, CrabNebula" in said
    assert one.number <= MOST_CLICKS
    with create_session() as session:
        (run,) = session.query(DagRun).filter(DagRun.dag_id == "request_nights")
        assert run.triggering_user_name == "operator"
        assert run.conf == {
            "night": str(night), "production": "mcp062", "sources": ["CrabNebula"], "force": False,
            "from_stage": "dl2", "why": "new forests", "dry_run": False,
        }  # fmt: skip
        assert run.note == f"Night {night}: new forests"


def test_an_operator_overrules_a_verdict(operator, airflow, nights, scene):
    from stereo_tasks.catalog.overrules import open_overrules

    night = nights["partial"]
    one = Clicks(operator, f"{airflow}{BASE}/nights/runs?first={night}&last={night}")
    said = _decide(one, 'a:text-is("overrule") >> nth=0', level="bad", reason="clouds in the second half")
    assert "is overruled, by operator" in said
    with scene.catalog.transaction() as session:
        (row,) = open_overrules(session, "mcp062", first=night, last=night)
        assert (row.level, row.decided_by, row.reason) == ("bad", "operator", "clouds in the second half")
    assert "as QA says" in _decide(one, 'dd a:text-is("lift")', reason="the clouds were elsewhere")


def test_another_site_on_this_host_decides_nothing(operator, airflow, nights, scene):
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    from stereo_tasks.catalog.holds import open_holds

    night = nights["done"]
    address = f"{airflow}{BASE}/nights/mcp062/{night.lst_date}/hold"
    thief = FastAPI()
    thief.get("/")(lambda: HTMLResponse(
        f'<form method="post" action="{address}"><input name="source"><input name="reason" value="x"><button>x</button>'
    ))  # fmt: skip
    with served(thief) as elsewhere:
        operator.goto(elsewhere.replace("127.0.0.1", "localhost"))  # so the browser sends the cookie
        with operator.expect_navigation() as loaded:
            operator.click("button")
    assert loaded.value.status == 403
    assert "does not come from a page of this site" in operator.inner_text("main")
    assert open_holds(scene.catalog, "mcp062", night=night) == ()


def test_a_shifter_sees_no_decisions(one_click_away, airflow, nights):
    one_click_away.goto(f"{airflow}{BASE}/nights/mcp062/{nights['done'].lst_date}")
    assert one_click_away.locator(".decisions, form.decision").count() == 0
    assert one_click_away.goto(f"{one_click_away.url}/hold").status == 403
    assert "for operators" in one_click_away.inner_text("main")


def test_the_login_is_of_this_site_alone(tab, airflow):
    _log_in(tab, airflow, "shifter", "/nights/")
    tab.wait_for_url(f"**{BASE}/nights/")
    (cookie,) = [one for one in tab.context.cookies() if one["name"] == "_token"]
    assert cookie["path"].rstrip("/") == BASE
    # Another site of this host has another path, and the browser does not send it this cookie.
    assert tab.context.cookies(f"{airflow}/other-123456/") == []


def test_an_address_without_the_path_leads_on(tab, airflow, nights):
    _log_in(tab, airflow, "shifter", "/nights/")
    tab.wait_for_url(f"**{BASE}/nights/")
    tab.goto(f"{airflow}/nights/?state=held")
    assert tab.url == f"{airflow}{BASE}/nights/?state=held"
    assert tab.goto(f"{airflow}//elsewhere.example/").url.startswith(airflow)


def test_a_login_of_another_site_leads_to_the_login(tab, airflow):
    cookie = {"name": "_token", "value": "ey.of.another", "url": f"{airflow}{BASE}/"}
    tab.context.add_cookies([cookie])
    tab.goto(f"{airflow}{BASE}/nights/")
    tab.wait_for_selector("input[name=username]")


def test_a_run_names_its_night_and_its_tasks_lead_there(airflow, nights):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType
    from stereo_portal.night_link import NightLink
    from stereo_portal.run_notes import on_dag_run_running

    night, now = nights["done"], dt.datetime.now(dt.UTC)
    with create_session() as session:
        run = DagRun(
            dag_id="process_night", run_id="asset_triggered__1", run_type=DagRunType.ASSET_TRIGGERED, run_after=now,
            partition_key=night.lst_date,
        )  # fmt: skip
        other = DagRun(dag_id="detect_nights", run_id="scheduled__1", run_type=DagRunType.SCHEDULED, run_after=now)
        session.add_all([run, other])
        session.flush()
        for one in (run, other):
            on_dag_run_running(one, "started")
    with create_session() as session:
        # Airflow's database is that of all tests of this process.
        own = session.query(DagRun).filter(DagRun.run_id.in_(["asset_triggered__1", "scheduled__1"]))
        notes = {one.dag_id: one.note for one in own}
    assert notes == {"process_night": f"Night {night}, production mcp062", "detect_nights": None}
    key = type("Key", (), {"dag_id": "process_night", "run_id": "asset_triggered__1"})
    assert NightLink().get_link(None, ti_key=key) == f"{BASE}/nights/mcp062/{night.lst_date}"
    key.dag_id = "detect_nights"
    assert NightLink().get_link(None, ti_key=key) == ""
