"""How far a backfill is: Airflow's side and the catalog's, joined."""

from __future__ import annotations

import datetime as dt

import pytest
from scenes import every_state

from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.status.progress import Asking, Progress, backfill_progress

ASKED, FAILED, QUEUED = Asking("1", True, False), Asking("1", True, True), Asking("1", False, False)


@pytest.fixture
def progress(scene, tmp_path, monkeypatch):
    """The progress of a backfill that began three hours ago."""
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))

    def of(nights, asked, **more):
        return backfill_progress(
            scene.catalog, nights, asked, scene.ago(3), settings=load_settings(tmp_path), now=scene.now, **more
        )

    return of


def _by_night(found):
    return {one.night: one for one in found.nights}


def test_every_night_is_somewhere(scene, progress):
    by_state = every_state(scene)
    first, last = scene.night(12), scene.night(1)
    nights = [Night(first.evening + dt.timedelta(days=day)) for day in range((last.evening - first.evening).days + 1)]
    asked = dict.fromkeys(nights, ASKED)
    for state in ("done", "partial", "running", "requested", "failed", "held"):
        scene.ask(by_state[state], "requested", 2.5)
    for state in ("done", "partial", "failed", "held"):
        scene.run(by_state[state], "done" if state in ("done", "partial") else "failed", 2, 1, run="r2")
    scene.run(by_state["running"], "running", 2, None, run="r2")
    scene.ask(by_state["waiting"], "waiting", 2.5, "no files")
    scene.ask(by_state["not taken"], "nothing", 2.5, "trigger is SumT")
    asked[scene.night(1)] = QUEUED
    scene.ask(scene.night(12), "nothing", 2.5, "no observations")
    found = progress(nights, asked)
    assert {state: _by_night(found)[night].progress for state, night in by_state.items() if night in asked} == {
        "done": Progress.DONE, "partial": Progress.PARTIAL, "running": Progress.RUNNING,
        "requested": Progress.REQUESTED, "ready": Progress.WAITING, "waiting": Progress.WAITING,
        "held": Progress.HELD, "failed": Progress.FAILED, "not taken": Progress.NOTHING, "by person": Progress.HELD,
    }  # fmt: skip
    assert _by_night(found)[scene.night(1)].progress == Progress.TO_ASK
    assert _by_night(found)[scene.night(12)].reason == "no observations"
    assert "dl2/00001: exit code 1" in _by_night(found)[by_state["failed"]].reason
    assert (found.remaining, sum(found.totals.values())) == (3, len(nights))
    # Four runs ended in three hours; two go on, and the night to ask may have one, too.
    assert dt.timedelta(hours=1.5) < found.expected_end - scene.now < dt.timedelta(hours=2.25)
    assert found.nights_per_hour == pytest.approx(9 / 3)


def test_what_another_backfill_was_answered_does_not_count(scene, progress):
    night = scene.night(50)
    scene.ask(night, "nothing", 5, "no observations", backfill="0")
    scene.ask(night, "dry run", 0.5, "no observations", backfill="2")
    assert progress([night], {night: QUEUED}).nights[0].progress == Progress.TO_ASK
    assert progress([night], {}).nights[0].progress == Progress.LEFT_OUT
    assert progress([night], {night: FAILED}).nights[0].progress == Progress.FAILED
    scene.ask(night, "nothing", 1, "no observations")
    found = progress([night], {night: ASKED})
    assert found.nights[0].progress == Progress.NOTHING
    assert (found.remaining, found.expected_end) == (0, None)


def test_the_worst_source_says_what_a_night_is(scene, progress):
    night = scene.night(5)
    for source in ("CrabNebula", "Mrk421"):
        scene.log(night, source)
    scene.ask(night, "requested", 2)
    scene.run(night, "failed", 1.9, 1)
    scene.plan(night)
    scene.publish(night)
    scene.plan(night, "Mrk421", holds=(("period", "no observation period covers it"),))
    (found,) = progress([night], {night: ASKED}).nights
    assert (found.progress, found.ended_utc) == (Progress.HELD, scene.ago(1))
    assert found.reason == "Mrk421: period: no observation period covers it"
    (found,) = progress([night], {night: ASKED}, sources=["CrabNebula"]).nights
    assert found.progress == Progress.DONE


def test_a_dry_run_is_told_as_such(scene, progress):
    night = scene.night(5)
    scene.ask(night, "dry run", 1, "dry run, nothing was requested; without it: requested")
    (found,) = progress([night], {night: ASKED}).nights
    assert found.progress == Progress.DRY_RUN
    assert "without it: requested" in found.reason
