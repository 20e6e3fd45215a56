"""A site that runs: a backfill from the command line, the doctor, and the page in Airflow's interface."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

LOG = """\
Dates are those of the evening,,,,,,,,,,,,,
,,,,,,,,,,,,,
Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes
(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),
2020_12_15,CrabNebula,['Dark'],['L3T'],[True],['Nominal'],35.7,50.07,"[3265, 3266]",5093711,5093714,59.25,55.2,
2020_12_16,CrabNebula,['Dark'],['L3T'],[True],['Reduced'],35.7,50.07,[3270],5093720,5093724,59.25,55.2,
"""
DAGS = Path(__file__).parents[2] / "dags"
PROCESS = """
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

with DAG("process_night", schedule=PartitionedAssetTimetable(assets=Asset("raw_night"))):

    @task
    def plan():
        pass

    plan()
"""


@pytest.fixture
def site(settings, tmp_path, monkeypatch):
    """A running site with a log of two nights, no files, and a DAG file that is broken."""
    from stereo_tasks.local_site import control
    from stereo_tasks.settings import load_settings

    root = settings.site.root
    for name in ("MAGIC", "LST/DL1"):
        (root / "data" / name).mkdir(parents=True)
    (root / "data" / "stereo_log.csv").write_text(LOG)
    (root / "config" / "alarms.yaml").write_text("free_space: 1 kB\n")
    folder = tmp_path / "dags"
    folder.mkdir()
    for name in ("request_nights.py", "watch_nights.py"):
        shutil.copy(DAGS / name, folder)
    (folder / "process_night.py").write_text(PROCESS)
    (folder / "broken.py").write_text("from airflow.sdk import DAG\nDAG('x', schedule=no_such_name)\n")
    monkeypatch.setenv("STEREO_DAGS", str(folder))
    monkeypatch.setenv("STEREO_SITE", str(root))
    monkeypatch.setenv("STEREO_CLUSTER", "local")
    settings = load_settings(root)
    control.up(settings, paused=True, echo=lambda line: None)
    try:
        yield settings
    finally:
        control.down(settings)


@pytest.fixture
def backfill():
    """Run ``stereo backfill``; gives what it printed, or its error."""
    from stereo_tasks.commands.backfill import backfill_command
    from stereo_tasks.errors import StereoError

    app = typer.Typer()
    app.command()(backfill_command)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None or isinstance(result.exception, (SystemExit, StereoError)), result.exception
        return result.output + str(result.exception or "")

    return run


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_backfill_is_asked_for_and_watched(site, backfill):
    from stereo_tasks.airflow_api.client import site_api

    assert "there is no backfill yet" in backfill("--show")
    assert "is still to come: end the range with" in backfill("2020-12-14", "2099-12-17")
    assert "stereo backfill 2020-12-14 2020-12-17" in backfill("2020-12-17", "2020-12-14")
    assert "no production" in backfill("2020-12-14", "2020-12-17", "--production", "nope")
    output = backfill("2020-12-14", "2020-12-17", "--source", "Mrk421", "--source", "CrabNebula", "--watch")
    assert "request_nights was paused; it runs now" in output
    assert "process_night was paused; it runs now" in output
    assert "4 nights, 2020-12-14..2020-12-17" in output
    assert "at its end" in output
    content = json.loads(backfill("--show", "--json"))
    assert content["totals"] == {"waiting": 1, "nothing": 3}
    assert (content["remaining"], content["conf"]["sources"]) == (0, ["Mrk421", "CrabNebula"])
    reasons = {one["night"]: one["reason"] for one in content["nights"]}
    assert "LST-1 has not closed the night" in reasons["2020-12-15"]
    assert "HV is Reduced" in reasons["2020-12-16"]
    assert "no observations" in reasons["2020-12-17"]

    output = backfill("2020-12-15", "2020-12-15", "--dry-run", "--watch")
    assert "a dry run of 1 nights" in output
    assert "without it: waiting" in output
    # The first one still says what became of it.
    first = json.loads(backfill("--show", str(content["id"]), "--json"))
    assert first["totals"] == {"waiting": 1, "nothing": 3}

    with site_api(site) as api:
        _the_plugin_is_found_once(api)
        _airflow_itself_asks_for_no_night(api)
        _missing_runs_are_the_nights_that_nobody_asked_for(api)
        _a_single_night_is_asked_for_by_its_date(api)
    _doctor_sees_what_is_wrong(site)
    _the_page_is_there(site)


def _the_plugin_is_found_once(api):
    assert api.get("/api/v2/plugins/importErrors")["import_errors"] == []
    assert "stereo_portal" in [one["name"] for one in api.get("/api/v2/plugins")["plugins"]]


def _airflow_itself_asks_for_no_night(api):
    assert api.get("/api/v2/dags/request_nights")["next_dagrun_run_after"] is None
    assert api.get("/api/v2/dags/request_nights/dagRuns", run_type="scheduled")["dag_runs"] == []


def _missing_runs_are_the_nights_that_nobody_asked_for(api):
    body = {"dag_id": "request_nights", "from_date": "2020-12-15T00:00:00Z", "to_date": "2020-12-19T00:00:00Z"}
    for behaviour, days in (("none", (18, 19)), ("completed", (15, 16, 17, 18, 19))):
        answer = api._call("POST", "/api/v2/backfills/dry_run", json={**body, "reprocess_behavior": behaviour})
        assert [one["partition_key"] for one in answer["backfills"]] == [f"202012{day}" for day in days]


def _a_single_night_is_asked_for_by_its_date(api):
    """What the form of *Trigger > Single Run* sends."""
    for conf, state, text in (
        ({"night": "2020-12-16"}, "skipped", "HV is Reduced"),
        ({"night": None}, "failed", "which night? Give the date of its evening as `night`"),
    ):
        run = api.trigger("request_nights", conf=conf)
        path = f"/api/v2/dags/request_nights/dagRuns/{run}/taskInstances/request"
        deadline = time.monotonic() + 100
        while (found := api.get(path))["state"] != state:
            assert time.monotonic() < deadline, found
            time.sleep(1)
        log = json.dumps(api.get(f"{path}/logs/{found['try_number']}"))
        assert text in log


def _doctor_sees_what_is_wrong(site):
    from stereo_tasks.doctor import CHECKS, examine
    from stereo_tasks.local_site import checks

    found = list(examine(site.site.root, checks={"Airflow": CHECKS["Airflow"], **checks.CHECKS}))
    red = {one.subject: one.text for one in found if one.colour == "red"}
    assert "no_such_name" in red["DAG file"]
    assert "does not know detect_nights" in red["DAGs"]
    assert any("watch_nights paused" in one.text for one in found if one.colour == "yellow")
    assert {"Airflow", "processes", "secrets"} <= {one.subject for one in found if one.colour == "green"}


def _the_page_is_there(site):
    from stereo_tasks.local_site import control

    port, logins = control.status(site).port, control.logins(site)
    address = control.address(site, port).replace("localhost", "127.0.0.1")
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        assert client.get("/nights/").status_code == 401
        body = {"username": "shifter", "password": logins["shifter"]}
        token = client.post("/auth/token", json=body).json()["access_token"]
        client.cookies.set("_token", token)
        answer = client.get("/nights/", params={"first": "2020-12-10", "last": "2020-12-20"})
        assert answer.status_code == 200
        assert "2020-12-15" in answer.text
        assert "LST-1 has not closed the night" in answer.text
        assert "watch_nights is paused:" in answer.text
        assert "process_night is paused:" not in answer.text
