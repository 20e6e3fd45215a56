"""One word and one reason for each source of a night."""

from __future__ import annotations

import datetime as dt

import pytest
from scenes import every_state

from stereo_tasks.settings import load_settings
from stereo_tasks.status import NightState, status_table


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return load_settings(tmp_path)


@pytest.fixture
def status(settings, scene):
    """The states of the last days, or of one night: by source."""

    def of(night=None, **more):
        first, last = (night, night) if night else (scene.night(400), scene.night(0))
        table = status_table(scene.catalog, first, last, settings=settings, now=scene.now, **more)
        return {one.source: one for one in table.sources} if night else table

    return of


def test_every_state_has_its_word_and_reason(scene, status):
    nights = every_state(scene)
    found = {one.night: one for one in status().sources}
    for name, night in nights.items():
        assert found[night].state == ("held" if name == "by person" else name), name
        assert found[night].reason or name == "done"
        assert found[night].what_to_do or name == "done"
    assert found[nights["done"]].dl3 == "4/4"
    assert found[nights["done"]].qa == "good"
    assert found[nights["partial"]].reason == "1 of 4 runs did not reach DL3"
    assert found[nights["waiting"]].missing == ("LST-1 run 2: no file", "LST-1 run 3: no file")
    assert found[nights["waiting"]].since_utc == scene.ago(5)
    assert found[nights["waiting"]].alarm_utc == scene.ago(5 - 24)
    assert found[nights["ready"]].alarm_utc is None
    assert found[nights["failed"]].reason == "1 element failed: dl2/00001: exit code 1"
    assert found[nights["held"]].reason.startswith("IRFs: no irf")
    assert found[nights["by person"]].by_person
    assert "stereo release" in found[nights["by person"]].what_to_do
    assert found[nights["running"]].reason == "a run is at work on it"


def test_totals_and_filters(scene, status):
    nights = every_state(scene)
    table = status()
    assert table.totals[NightState.HELD] == 2
    assert table.nights_without == 401 - len(nights)
    assert {one.state for one in status(states=[NightState.HELD]).sources} == {NightState.HELD}
    assert status(sources=["Mrk421"]).sources == ()


def test_a_night_waits_for_all_of_its_sources(scene, status):
    night = scene.night(2)
    for source in ("CrabNebula", "Mrk421"):
        scene.log(night, source)
    scene.files(night)
    scene.files(night, "Mrk421", "LST-1 run 2: no file")
    found = status(night)
    assert found["CrabNebula"].state == NightState.WAITING
    assert "waits for Mrk421" in found["CrabNebula"].reason
    # Also if one asks for one source only.
    assert status(night, sources=["CrabNebula"])["CrabNebula"].state == NightState.WAITING


def test_a_new_request_outdates_what_was_done(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "done", 9, 8)
    scene.plan(night, ingested_h=8)
    scene.publish(night, hours=8)
    assert status(night)["CrabNebula"].state == NightState.DONE
    scene.ask(night, "requested", 1, sources=["Mrk421"])
    assert status(night)["CrabNebula"].state == NightState.DONE
    scene.ask(night, "requested", 1)
    assert status(night)["CrabNebula"].state == NightState.REQUESTED
    scene.run(night, "done", 0.9, 0.5, run="r2")
    assert status(night)["CrabNebula"].state == NightState.DONE


def test_the_note_of_a_request_may_come_after_its_run_began(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "done", 2, 1)
    scene.request(night, 2 - 5 / 3600)
    scene.plan(night)
    scene.publish(night)
    assert status(night)["CrabNebula"].state == NightState.DONE


def test_a_run_that_died_is_a_failure(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "running", 9, None)
    found = status(night)["CrabNebula"]
    assert found.state == NightState.FAILED
    assert "without a word" in found.reason


def test_a_run_that_failed_before_planning_is_not_hidden_by_the_old_plan(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.plan(night, ingested_h=20)
    scene.publish(night, hours=20)
    scene.run(night, "failed", 9, 8, "failed, the task plan: see its log")
    found = status(night)["CrabNebula"]
    assert found.state == NightState.FAILED
    assert "the task plan" in found.reason


def test_dl3_that_was_not_published_is_no_success(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "done", 9, 8)
    scene.plan(night)
    assert "not published" in status(night)["CrabNebula"].reason


def test_nothing_reached_dl3(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "failed", 9, 8)
    scene.plan(night, trouble={("dl3", number): ("skipped", "no input: pointing apart") for number in range(4)})
    found = status(night)["CrabNebula"]
    assert (found.state, found.reason) == (
        NightState.FAILED,
        "no run reached DL3: dl3/00000: no input: pointing apart",
    )


def test_losses_that_a_run_survives_are_no_failure(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "done", 9, 8)
    scene.plan(night, trouble={("calibrate", 0): ("failed", "truncated")})
    scene.publish(night)
    assert status(night)["CrabNebula"].state == NightState.DONE


def test_a_partial_night_says_what_never_came(scene, status):
    night = scene.night(5)
    scene.log(night)
    scene.files(night, "CrabNebula", "MAGIC run 7: no file", ready=True, partial=True)
    scene.run(night, "done", 9, 8)
    scene.plan(night)
    scene.publish(night)
    found = status(night)["CrabNebula"]
    assert found.state == NightState.PARTIAL
    assert "MAGIC run 7" in found.reason


def test_a_row_that_left_the_log(scene, status):
    night = scene.night(2)
    scene.log(night, in_log=False)
    scene.publish(night)
    found = status(night)["CrabNebula"]
    assert found.state == NightState.NOT_TAKEN
    assert "stays" in found.reason


def test_nights_to_come_and_going_on(scene, status):
    for days, word in ((-1, "to come"), (0, "being observed")):
        night = scene.night(days)
        scene.log(night)
        found = status(night)["CrabNebula"]
        assert found.state == NightState.UPCOMING
        assert word in found.reason


def test_what_was_answered_to_who_asked(scene, status):
    scene.ask(scene.night(50), "nothing", 1, "no observations in the stereo log")
    assert status(scene.night(50))[""].state == NightState.NOTHING
    night = scene.night(60)
    scene.log(night)
    scene.ask(night, "waiting", 1, "no LST-1 DL1")
    assert status(night)["CrabNebula"].state == NightState.WAITING
    assert status(night)["CrabNebula"].reason == "no LST-1 DL1"


def test_holds_with_an_end(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.files(night)
    scene.hold(night, "CrabNebula", until_utc=scene.now + dt.timedelta(hours=1))
    found = status(night)["CrabNebula"]
    assert found.state == NightState.HELD
    assert "until 2024-01-20 13:30 UTC" in found.reason
    assert f"stereo release {night} --source CrabNebula" in found.what_to_do
    scene.now += dt.timedelta(hours=2)
    assert status(night)["CrabNebula"].state == NightState.READY


def test_a_night_that_another_run_held(scene, status):
    night = scene.night(2)
    scene.log(night)
    scene.run(night, "locked", 3, 3, "is being processed by process_night/other")
    found = status(night)["CrabNebula"]
    assert found.state == NightState.REQUESTED
    assert "process_night/other" in found.reason
