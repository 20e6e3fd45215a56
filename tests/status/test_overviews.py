"""Overviews of many nights: calendar, time by cause, runs page by page, trends; and the checklist of a night."""

from __future__ import annotations

import pytest
from scenes import PRODUCTION, every_state
from sqlalchemy import text

from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.status import NightState, status_table
from stereo_tasks.status.calendar import Cause, year_of
from stereo_tasks.status.checklist import checklist
from stereo_tasks.status.night_report import night_report
from stereo_tasks.status.run_page import RunFilter, run_page
from stereo_tasks.status.trends import metric_names, trend


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return load_settings(tmp_path)


def test_the_calendar_says_what_the_list_says(scene, settings):
    nights = every_state(scene)
    table = status_table(scene.catalog, Night("2024-01-01"), Night("2024-12-31"), settings=settings, now=scene.now)
    year = year_of(scene.catalog, settings, 2024, now=scene.now)
    assert {day.night: day.state for day in year.days.values()} == {one.night: one.state for one in table.sources}
    assert year.days[nights["failed"].evening].sources == ("CrabNebula failed",)
    assert year.totals[NightState.HELD] == 2
    assert year.sources == ("CrabNebula",)
    assert year_of(scene.catalog, settings, 2024, source="Mrk421", now=scene.now).days == {}


def test_each_observed_hour_has_one_cause(scene, settings):
    nights = every_state(scene)  # 75 min at the same wobble position each; by a person: clouds
    with scene.catalog.engine.begin() as connection:
        connection.execute(
            text("UPDATE qa SET metrics = metrics || '{\"on_time_s\": 3600}' WHERE night = :night"),
            {"night": nights["done"].evening},
        )
    hours = year_of(scene.catalog, settings, 2024, now=scene.now).hours
    assert hours[Cause.PROCESSED] == pytest.approx(1.0 + 1.25)
    assert hours[Cause.LOST_INSIDE] == pytest.approx(0.25)
    for cause in (Cause.WEATHER, Cause.NOT_TAKEN, Cause.FILES, Cause.HELD, Cause.FAILED):
        assert hours[cause] == pytest.approx(1.25), cause
    assert hours[Cause.NOT_YET] == pytest.approx(3 * 1.25)
    assert sum(hours.values()) == pytest.approx(10 * 1.25)


def test_runs_are_found_page_by_page(scene):
    for day in range(70):
        scene.judged(scene.night(day), "good", "warning", "bad", first_run=10 * day)
    wanted, found, pages = RunFilter(), [], 0
    while True:
        page = run_page(scene.catalog, PRODUCTION, wanted)
        found += page.runs
        pages += 1
        if page.older is None:
            break
        wanted = RunFilter(last=page.older)
    assert pages == 2
    assert sorted(run.run for run in found) == sorted(10 * day + n for day in range(70) for n in range(3))
    assert [run.night for run in found] == sorted((run.night for run in found), reverse=True)
    bad = run_page(scene.catalog, PRODUCTION, RunFilter(level="bad", first=scene.night(5), zenith_min_deg=35))
    assert [run.run for run in bad.runs] == [2, 12, 22, 32, 42, 52]
    assert run_page(scene.catalog, PRODUCTION, RunFilter(zenith_min_deg=35, zenith_max_deg=39)).runs == ()


def test_a_trend_has_the_limits_of_its_time_and_a_mark_where_the_software_changed(scene):
    for day in (3, 4, 8, 9):
        night = scene.night(day)
        scene.judged(night, "good", "bad", first_run=10 * day)
        scene.plan(night)
        versions = '{"magic-cta-pipe": "0.6.2"}' if day < 5 else '{"magic-cta-pipe": "0.6.1"}'
        with scene.catalog.engine.begin() as connection:
            connection.execute(
                text("UPDATE element_records SET versions = CAST(:versions AS jsonb) WHERE night = :night"),
                {"versions": versions, "night": night.evening},
            )
    assert metric_names(scene.catalog, PRODUCTION) == ("stereo_rate_hz",)
    found = trend(scene.catalog, PRODUCTION, "stereo_rate_hz", scene.night(10), scene.night(0))
    assert found.unit == "Hz"
    assert [(point.value, point.level) for point in found.points] == [(50.0, "good"), (30.0, "bad")] * 4
    assert [(limit.first, limit.last, limit.low, limit.high) for limit in found.limits] == [
        (scene.night(9), scene.night(8), 30.0, 80.0), (scene.night(4), scene.night(3), 40.0, 60.0),
    ]  # fmt: skip
    assert [(mark.night, mark.text) for mark in found.marks] == [(scene.night(4), "magic-cta-pipe 0.6.2")]
    assert trend(scene.catalog, PRODUCTION, "no such", scene.night(10), scene.night(0)).points == ()


def test_the_checklist_knows_what_is_settled(scene, settings):
    nights = every_state(scene)

    def checks(name):
        report = night_report(scene.catalog, nights[name], settings=settings, now=scene.now)
        return {check.text: check for check in checklist(report)}

    done, failed = checks("done"), checks("failed")
    assert all(done[text].settled for text in ("Every source is processed", "DL3 is published", "Nobody holds it"))
    assert done["The theta² plots show what is expected of each source"].finding == "CrabNebula 22.7 σ"
    assert done["Somebody has signed it off"].settled is None
    assert failed["Every source is processed"].settled is False
    assert failed["No element failed or is held"].finding == "CrabNebula: 1"
    assert checks("by person")["Nobody holds it"].settled is False
    assert checks("not taken") == {}
