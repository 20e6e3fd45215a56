"""Requests by people: each gets an answer with its reason, and none gets lost in another."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import re
import time
from pathlib import Path

import pytest
from fake_site import FakeSite

from stereo_tasks.catalog import holds, requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.locks import NightLockedError, acquire_night
from stereo_tasks.catalog.readiness import read_readiness
from stereo_tasks.dispatch import candidates
from stereo_tasks.dispatch.candidates import held_sources
from stereo_tasks.dispatch.partitions import ReadyNight, combined, night_key, read_key
from stereo_tasks.dispatch.requests import request_night
from stereo_tasks.dispatch.taking import plan_and_take
from stereo_tasks.nights import BadNightError, Night
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.processing.reprocessing import NoStageError
from stereo_tasks.settings import SettingsError

NIGHT = Night("2020-12-15")
NOW = dt.datetime(2021, 6, 1, 12, 0, tzinfo=dt.UTC)
WRITTEN = dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)


@pytest.fixture
def site(catalog: Catalog, tmp_path: Path) -> FakeSite:
    made = FakeSite(tmp_path, catalog)
    made.log(str(NIGHT), "CrabNebula", [3265, 3266], 5093711)
    made.log(str(NIGHT), "Mrk421", [3300], 5093800)
    made.models(str(NIGHT), "CrabNebula", "Mrk421")
    return made


def _ask(site: FakeSite, *sources: str, now: dt.datetime = NOW, night: Night = NIGHT, **choice):
    return request_night(site.catalog, night, sources=sources, now=now, settings=site.settings, **choice)


def _crab(site: FakeSite) -> None:
    site.finish(str(NIGHT), WRITTEN)
    site.lst(str(NIGHT), 3265, WRITTEN)
    site.magic(str(NIGHT), 5093711, WRITTEN)


def _mrk(site: FakeSite) -> None:
    site.lst(str(NIGHT), 3300, WRITTEN)
    site.magic(str(NIGHT), 5093800, WRITTEN, "Mrk421")


def _asked(site: FakeSite):
    found = requests.requests_of(site.catalog, site.settings.production().name, NIGHT, NIGHT)
    return [(one.outcome, one.sources, one.force, one.requested_by) for one in found]


def test_what_is_there_is_handed_on_and_the_rest_watched(site):
    _crab(site)
    answer = _ask(site, force=True, by="me", backfill="7")
    assert answer.outcome == "requested"
    assert "CrabNebula: partial: LST-1 run 3266: no file | Mrk421: waits: LST-1 run 3300: no file" in answer.reason
    assert answer.handed_on.choice == {"production": "mcp062", "sources": ["CrabNebula"], "force": True}
    assert _asked(site) == [("requested", [], True, "me")]
    site.emit(answer.handed_on)
    assert site.detect(NOW) == []  # what went out is not found once more
    _mrk(site)
    (found,) = site.detect(NOW)
    assert (found.sources, found.force) == ((), False)
    site.emit(found)
    site.lst(str(NIGHT), 3266, WRITTEN)
    assert len(site.detect(NOW)) == 1


def test_a_request_that_was_not_handed_on_is_found_by_detection(site):
    _crab(site)
    assert _ask(site).handed_on is not None  # and then its task was killed
    assert [one.night for one in site.detect(NOW)] == [NIGHT]


@pytest.mark.parametrize(
    ("night", "sources", "reason"),
    [
        ("2020-12-14", (), "no observations in the stereo log for the night of 2020-12-14"),
        ("2020-12-15", ("BLLac",), "no observations of BLLac in the stereo log .*; the log has CrabNebula, Mrk421"),
        ("2020-12-13", (), "night of 2020-12-13 that the policy takes; BLLac: trigger is SumT, not L3T"),
        ("2020-12-12", (), "unreadable row: line 6, Trigger"),
    ],
)
def test_a_night_with_nothing_ends_with_its_reason(site, night, sources, reason):
    site.log("2020-12-13", "BLLac", [3000], 5093000, trigger="SumT")
    site.log("2020-12-12", "BLLac", [2900], 5092000, trigger="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "scan_night", lambda *_, **__: pytest.fail("the folders were listed"))
        answer = _ask(site, *sources, night=Night(night))
    assert (answer.outcome, answer.handed_on) == ("nothing", None)
    assert re.search(reason, answer.reason), answer.reason


def test_nights_to_come_are_refused_and_the_present_one_waits(site):
    answer = _ask(site, now=NIGHT.noon - dt.timedelta(seconds=1), dry_run=True)
    assert (answer.outcome, answer.reason) == (
        "refused", "the night of 2020-12-15 is still to come: end the range before it",
    )  # fmt: skip
    _crab(site)
    answer = _ask(site, now=NIGHT.noon + dt.timedelta(hours=15))
    assert (answer.outcome, answer.reason) == ("waiting", "the night of 2020-12-15 is not over")


def test_a_held_night_and_one_without_forests_wait_with_their_reason(catalog, site):
    _crab(site)
    _mrk(site)
    production = site.settings.production().name
    holds.hold(catalog, NIGHT, production, "pointing", by="shifter", source="CrabNebula")
    assert held_sources(catalog, NIGHT, production)["CrabNebula"].endswith(
        "pointing ('stereo release 2020-12-15 --source CrabNebula' ends it)"
    )
    assert _ask(site).handed_on.sources == ("Mrk421",)
    for path in site.model_files(str(NIGHT), "Mrk421"):
        path.unlink()
    answer = _ask(site)
    assert answer.outcome == "waiting"
    assert "held by shifter" in answer.reason
    assert "run 'stereo prepare-mc'" in answer.reason


def test_the_ledger_has_what_was_looked_at(catalog, site):
    _crab(site)
    _ask(site)
    found = read_readiness(catalog, site.settings.production().name, first=NIGHT, last=NIGHT)
    assert [(one.source, one.ready, one.partial) for one in found] == [
        ("CrabNebula", True, True), ("Mrk421", False, False),
    ]  # fmt: skip


def test_two_people_who_wait_get_what_both_asked_for(site):
    _ask(site, "CrabNebula", force=True, by="one")
    _ask(site, "Mrk421", by="two")
    assert _asked(site)[-1] == ("waiting", ["CrabNebula", "Mrk421"], True, "two")
    # A request for something else does not answer it, and neither does one that has nothing.
    _mrk(site)
    _ask(site, "Mrk421", by="three")
    assert _asked(site)[-2:] == [
        ("requested", ["Mrk421"], False, "three"), ("waiting", ["CrabNebula"], True, "two"),
    ]  # fmt: skip
    _ask(site, "BLLac")
    _crab(site)
    (found,) = site.detect(NOW)
    assert found.answers
    assert found.force


def test_a_dry_run_changes_nothing(catalog, site, monkeypatch):
    versions = {"magic-cta-pipe": "0.6.2"}
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: versions)
    _crab(site)
    answer = _ask(site, dry_run=True)
    assert (answer.outcome, answer.handed_on) == ("dry run", None)
    assert answer.reason.startswith("dry run, nothing was requested; without it: requested, CrabNebula: partial")
    assert answer.lines[0].startswith("20201215/CrabNebula, production mcp062")
    assert not any("Mrk421" in line for line in answer.lines)
    assert read_readiness(catalog, site.settings.production().name, first=NIGHT, last=NIGHT) == ()
    assert requests.waiting_requests(catalog, site.settings.production().name) == ()


def test_what_cannot_be_understood_is_said(catalog, site):
    with pytest.raises(SettingsError, match="no production 'mine'"):
        _ask(site, production="mine")
    with pytest.raises(BadNightError, match="not a date"):
        request_night(catalog, "2020-12-32", settings=site.settings)


def test_the_answer_for_a_night_costs_little(site):
    _crab(site)
    for day in range(1, 30):
        for number in range(130):
            site.rows[f"2019-12-{day:02}", f"S{number}"] = [
                f"2019_12_{day:02}", f"S{number}", "['Dark']", "['L3T']", "[True]", "['Nominal']", "10", "20",
                f"[{day * 1000 + number}]", str(5000000 + number), str(5000000 + number), "40", "40", "",
            ]  # fmt: skip
    site.write_log()
    _ask(site, night=Night("2020-12-14"))  # a worker process reads the log once
    start = time.perf_counter()
    for _ in range(5):
        assert _ask(site, night=Night("2020-12-14")).outcome == "nothing"
    assert (time.perf_counter() - start) / 5 < 0.5


# --- one night, several requests


def test_the_choices_of_several_requests_are_joined():
    a, b = {"production": "p", "sources": ["A"], "force": True}, {"production": "q", "sources": ["B", "A"]}
    assert combined([]) == {"production": None, "sources": [], "force": False}
    assert combined([a]) == a
    assert combined([a, b]) == {"production": "q", "sources": ["A", "B"], "force": True}
    assert combined([a, {"production": "p", "sources": []}, b])["sources"] == []
    late, early = {**b, "from_stage": "dl3"}, {**b, "from_stage": "stereo"}
    assert combined([late, early, {**b, "from_stage": ""}])["from_stage"] == "stereo"
    assert "from_stage" not in combined([a, b])


def test_a_night_is_asked_for_again_from_a_stage(site, monkeypatch):
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    refused = _ask(site, from_stage="dl2", by="ana")
    assert (refused.outcome, refused.handed_on) == ("refused", None)
    assert "cannot be made again from dl2 on now" in refused.reason
    with pytest.raises(NoStageError, match="is no stage"):
        _ask(site, from_stage="dl4")
    _crab(site)
    answer = _ask(site, "CrabNebula", from_stage="dl2", why="new forests", by="ana")
    assert answer.handed_on.choice["from_stage"] == "dl2"
    assert ReadyNight.from_dict(answer.handed_on.as_dict()) == answer.handed_on
    assert answer.reason.startswith("new forests; again from dl2 on: ")
    (found,) = plan_night(NIGHT, sources=["CrabNebula"], settings=site.settings).plans
    for element in found.elements:
        element.record_path.parent.mkdir(parents=True, exist_ok=True)
        element.record_path.write_text("{}")
    production = site.settings.production().name
    plan_and_take(site.catalog, NIGHT, production, "r1", answer.handed_on.choice, settings=site.settings)
    left = {one.stage.name for one in found.elements if one.record_path.exists()}
    assert {"calibrate", "coincide", "stereo"} <= left
    assert left & {"dl2", "dl3", "index", "qa"} == set()


def test_productions_have_keys_of_their_own(site):
    other = site.second_production()
    ready = ReadyNight(NIGHT, "mcp062", (), False, ("c",), False, "")
    assert read_key(night_key(ready, site.settings)) == (NIGHT, None)
    ready = ReadyNight(NIGHT, other, (), False, ("c",), False, "")
    assert night_key(ready, site.settings) == "20201215.other"
    assert read_key("20201215.v1.2-b") == (NIGHT, "v1.2-b")


def test_held_sources_are_not_planned(site, monkeypatch):
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    found = plan_night(NIGHT, settings=site.settings, held={"Mrk421": "held by me"})
    assert [plan.source for plan in found.plans] == ["CrabNebula"]
    assert found.not_taken == ("Mrk421: held by me",)
    assert plan_night(NIGHT, settings=site.settings, held={"": "held by me"}).plans == ()


def test_of_two_runs_at_once_one_works_and_the_other_says_who(catalog):
    # Forked, as Airflow's executor does; each has a connection of its own.
    processes = multiprocessing.get_context("fork")
    together, answers = processes.Barrier(2), processes.Queue()

    def run(owner: str) -> None:
        together.wait(20)
        try:
            acquire_night(catalog, NIGHT, "v1", owner)
            answers.put((owner, ""))
        except NightLockedError as error:
            answers.put((owner, str(error)))

    started = [processes.Process(target=run, args=(f"process_night/run-{number}",)) for number in (1, 2)]
    for one in started:
        one.start()
    found = sorted((answers.get(timeout=30) for _ in started), key=lambda answer: answer[1])
    for one in started:
        one.join(30)
    (winner, nothing), (loser, message) = found
    assert (winner != loser, nothing) == (True, "")
    assert f"2020-12-15 of v1 is being processed by {winner} since 20" in message
