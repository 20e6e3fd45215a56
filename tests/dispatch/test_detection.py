"""Detection: an observation goes out once per content, when it is complete or old enough, and is never lost."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from fake_site import FakeSite

from stereo_tasks.catalog import holds, requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.log_versions import latest_log_version, latest_log_versions
from stereo_tasks.catalog.observations import history, sources_of
from stereo_tasks.catalog.readiness import read_readiness
from stereo_tasks.catalog.telescope_runs import telescope_runs_of
from stereo_tasks.dispatch import candidates
from stereo_tasks.dispatch.detection import MAX_GROUPS, grouped
from stereo_tasks.dispatch.partitions import ReadyNight
from stereo_tasks.dispatch.requests import request_night
from stereo_tasks.nights import Night

NIGHT = "2020-12-15"
NOW = dt.datetime(2020, 12, 16, 12, 0, tzinfo=dt.UTC)
WRITTEN = dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def site(catalog: Catalog, tmp_path: Path) -> FakeSite:
    made = FakeSite(tmp_path, catalog)
    made.log(NIGHT, "CrabNebula", [3265], 5093711)
    made.models(NIGHT, "CrabNebula", "Mrk421")
    return made


def _crab(site: FakeSite, written: dt.datetime = WRITTEN) -> None:
    site.lst(NIGHT, 3265, written)
    site.magic(NIGHT, 5093711, written)
    site.finish(NIGHT, WRITTEN)


def _mrk(site: FakeSite, written: dt.datetime = WRITTEN) -> None:
    site.lst(NIGHT, 3300, written)
    site.magic(NIGHT, 5093800, written, "Mrk421")


def _both(site: FakeSite) -> None:
    site.log(NIGHT, "Mrk421", [3300], 5093800)
    _crab(site)
    _mrk(site)


def _old(site: FakeSite) -> dt.datetime:
    return NOW + site.settings.policy.partial_night_age_h * HOUR


def _entries(site: FakeSite, production: str | None = None):
    night = Night(NIGHT)
    found = read_readiness(site.catalog, site.settings.production(production).name, first=night, last=night)
    return {entry.source: entry for entry in found}


def test_a_night_goes_out_once_but_is_not_lost_in_a_crash(site):
    assert site.detect(NOW) == []
    _crab(site)
    (found,) = site.detect(NOW)
    assert (found.night, found.sources, found.force, found.answers) == (Night(NIGHT), (), False, False)
    assert found.reason.startswith("CrabNebula: complete")
    assert site.detect(NOW) == [found]  # nobody said that it was handed on
    assert site.detect(NOW + 300 * DAY) == [found]  # and it does not get too old for it
    site.emit(found)
    site.emit([found])
    assert site.detect(NOW) == []


def test_new_content_sends_it_out_again(site):
    _crab(site)
    site.emit(site.detect(NOW))
    site.log(NIGHT, "CrabNebula", [3265], 5093711, minutes=39)
    (second,) = site.detect(NOW)
    site.emit(second)
    site.magic(NIGHT, 5093711, WRITTEN, subrun=2)
    (third,) = site.detect(NOW)
    assert third.contents != second.contents


def test_files_of_nobody_change_nothing(site):
    _crab(site)
    site.emit(site.detect(NOW))
    site.magic(NIGHT, 5093712, WRITTEN)  # beyond the last run of the row
    site.lst(NIGHT, 3266, WRITTEN)
    assert site.detect(NOW) == []


def test_a_corrected_row_of_an_old_night_sends_it_out_again(site):
    _crab(site)
    site.emit(site.detect(NOW))
    later = NOW + 200 * DAY
    assert site.detect(later) == []
    site.log(NIGHT, "CrabNebula", [3265], 5093711, minutes=39)
    assert [one.night for one in site.detect(later)] == [Night(NIGHT)]
    site.log(NIGHT, "Mrk421", [3300], 5093800)  # and so does a row that is new
    _mrk(site)
    assert [one.night for one in site.detect(later)] == [Night(NIGHT)]
    site.emit(site.detect(later))
    assert site.detect(later) == []


def test_a_rejected_row_changes_nothing(site):
    _crab(site)
    site.emit(site.detect(NOW))
    site.log(NIGHT, "Mrk421", [3300], 5093800, trigger="SumT")
    assert site.detect(NOW) == []


def test_a_row_that_is_removed_and_returns_changes_nothing(catalog, site):
    _both(site)
    site.emit(site.detect(NOW))
    row = site.rows.pop((NIGHT, "Mrk421"))
    site.write_log()
    assert site.detect(NOW) == []
    site.rows[NIGHT, "Mrk421"] = row
    site.write_log()
    assert site.detect(NOW) == []
    assert [one.kind for one in history(catalog, Night(NIGHT), "Mrk421")] == ["added", "removed", "returned"]


def test_the_night_waits_for_all_its_sources_until_it_is_old(site):
    _crab(site)
    site.log(NIGHT, "Mrk421", [3300], 5093800)
    assert site.detect(NOW) == []
    (found,) = site.detect(_old(site))
    assert found.sources == ("CrabNebula",)
    assert "Mrk421: waits: LST-1 run 3300: no file" in found.reason


def test_a_partial_night_is_completed_when_more_comes_however_late(site):
    site.log(NIGHT, "CrabNebula", [3265, 3266], 5093711)
    _crab(site)
    assert site.detect(NOW) == []
    site.emit(site.detect(_old(site)))
    assert _entries(site)["CrabNebula"].partial
    late = NOW + 100 * DAY
    site.lst(NIGHT, 3266, late)
    assert site.detect(late) == []  # it may still be being copied
    (found,) = site.detect(late + HOUR)
    assert found.reason.startswith("CrabNebula: complete")
    site.emit(found)
    assert site.detect(late + HOUR) == []


def test_an_old_night_waits_for_a_source_that_is_being_copied(site):
    _crab(site)
    site.log(NIGHT, "Mrk421", [3300], 5093800)
    site.lst(NIGHT, 3300, _old(site))
    assert site.detect(_old(site)) == []
    assert len(site.detect(_old(site) + dt.timedelta(seconds=site.settings.policy.settle_s))) == 1


def test_an_old_night_with_nothing_to_process_stays(site):
    assert site.detect(NOW + 10 * DAY) == []


def test_a_night_that_is_not_over_or_long_ago_is_not_looked_at(site, monkeypatch):
    _crab(site)
    monkeypatch.setattr(candidates, "scan_night", lambda *_, **__: pytest.fail("the folders were listed"))
    assert site.detect(dt.datetime(2020, 12, 16, 7, 59, tzinfo=dt.UTC)) == []
    assert site.detect(NOW + site.settings.policy.look_back_days * DAY) == []


def test_a_night_that_waited_is_looked_at_however_old_it_is(site):
    assert site.detect(NOW) == []
    _crab(site)
    assert len(site.detect(NOW + 300 * DAY)) == 1


# --- what people hold


def test_a_night_held_by_a_person_stays_until_its_release(catalog, site):
    _crab(site)
    production = site.settings.production().name
    holds.hold(catalog, Night(NIGHT), production, "look first", by="shifter")
    assert site.detect(NOW) == []
    entry = _entries(site)["CrabNebula"]
    assert not entry.ready
    assert entry.missing[0].startswith("held by shifter since 20")
    assert entry.missing[0].endswith("look first ('stereo release 2020-12-15' ends it)")
    holds.release(catalog, Night(NIGHT), production, by="shifter")
    assert len(site.detect(NOW + 300 * DAY)) == 1


def test_a_held_source_is_left_out_and_goes_when_it_is_released(catalog, site):
    _both(site)
    production = site.settings.production().name
    holds.hold(catalog, Night(NIGHT), production, "pointing", by="shifter", source="Mrk421")
    (found,) = site.detect(NOW)
    assert found.sources == ("CrabNebula",)
    assert "Mrk421: waits: held by shifter" in found.reason
    site.emit(found)
    assert site.detect(NOW) == []
    holds.release(catalog, Night(NIGHT), production, by="shifter", source="Mrk421")
    (found,) = site.detect(NOW)
    assert found.sources == ()
    site.emit(found)
    # A hold on what went out already sends nothing out, and neither does its end.
    holds.hold(catalog, Night(NIGHT), production, "once more", by="shifter", source="Mrk421")
    assert site.detect(NOW) == []
    holds.release(catalog, Night(NIGHT), production, by="shifter", source="Mrk421")
    assert site.detect(NOW) == []


def test_a_hold_ends_by_itself(catalog, site):
    _crab(site)
    production, end = site.settings.production().name, dt.datetime.now(dt.UTC) + HOUR
    holds.hold(catalog, Night(NIGHT), production, "look first", by="shifter", until=end)
    site.policy(look_back_days=10_000)
    assert site.detect(end - HOUR / 2) == []
    assert f"until {end:%Y-%m-%d %H:%M} UTC" in _entries(site)["CrabNebula"].missing[0]
    assert len(site.detect(end)) == 1


# --- forests, IRFs and tables


def test_a_source_without_forests_waits_and_does_not_keep_the_others(site):
    _both(site)
    for path in site.model_files(NIGHT, "Mrk421")[:3]:
        path.unlink()
    (found,) = site.detect(NOW)
    assert found.sources == ("CrabNebula",)
    (missing,) = _entries(site)["Mrk421"].missing
    assert missing.startswith("forests: no energy_regressors, disp_regressors, event_classifiers in ")
    assert missing.endswith("run 'stereo prepare-mc'")
    site.emit(found)
    assert site.detect(_old(site)) == []  # no age helps
    site.models(NIGHT, "Mrk421")
    (found,) = site.detect(NOW + 300 * DAY)
    assert found.sources == ()


def test_irfs_period_position_and_time_offset_are_needed(site):
    _crab(site)
    irfs = site.model_files(NIGHT, "CrabNebula")[3:]
    for path in irfs[1:]:
        path.unlink()
    site.log(NIGHT, "Nowhere1", [3300], 5093800)
    assert site.detect(NOW) == []
    assert _entries(site)["CrabNebula"].missing[0].startswith("IRFs: 1 IRF node(s) in ")
    assert _entries(site)["Nowhere1"].missing[0].startswith("source: no position of Nowhere1: add it to config/sources")
    site.models(NIGHT, "CrabNebula")
    table = site.settings.monte_carlo.model_copy(update={"periods": site.settings.monte_carlo.periods[1:]})
    site.settings = site.settings.model_copy(update={"monte_carlo": table, "time_offsets": ()})
    assert site.detect(NOW) == []
    kinds = [text.split(":")[0] for text in _entries(site)["CrabNebula"].missing]
    assert kinds == ["period", "time offset"]


# --- the ledger


def test_it_is_written_since_when_a_source_waits(site):
    site.detect(NOW)
    since = _entries(site)["CrabNebula"].waiting_since_utc
    assert abs(since - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    site.detect(NOW)
    assert _entries(site)["CrabNebula"].waiting_since_utc == since
    _crab(site)
    site.detect(NOW)
    assert _entries(site)["CrabNebula"].waiting_since_utc is None


def test_the_ledger_the_log_and_the_runs_are_in_the_catalog(catalog, site):
    site.detect(NOW)
    assert not _entries(site)["CrabNebula"].ready
    assert "LST-1 run 3265: no file" in _entries(site)["CrabNebula"].missing
    _crab(site)
    site.detect(NOW)
    entry = _entries(site)["CrabNebula"]
    assert entry.ready
    assert entry.files_changed_utc == WRITTEN
    assert [one.kind for one in history(catalog, Night(NIGHT), "CrabNebula")] == ["added"]
    runs = [(one.telescope, one.run, one.subruns) for one in telescope_runs_of(catalog, Night(NIGHT), Night(NIGHT))]
    assert runs == [("LST-1", 3265, 1), ("M1", 5093711, 1), ("M2", 5093711, 1)]


def test_one_broken_folder_does_not_stop_other_nights(site, caplog):
    site.log("2020-12-14", "Mrk421", [3200], 5093600)
    folder = site.paths.magic_calibrated / "M1" / "event" / "Calibrated" / "2020" / "12" / "15"
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")
    _crab(site)
    assert [one.night for one in site.detect(NOW)] == [Night(NIGHT)]
    assert "2020-12-14 is left for the next time" in caplog.text


# --- the log


def test_problems_of_the_log_are_said(site, caplog):
    site.rows["x", "y"] = ["2020_12_99", "BLLac"]
    site.write_log()
    site.detect(NOW)
    assert "line 4, Date" in caplog.text
    assert "line 4, Date" in latest_log_version(site.catalog).problems[0]


def test_each_content_of_the_log_is_one_reading(site):
    site.detect(NOW)
    site.detect(NOW)
    assert [(one.rows, one.added) for one in latest_log_versions(site.catalog)] == [(1, 1)]
    site.log(NIGHT, "Mrk421", [3300], 5093800)
    site.log(NIGHT, "CrabNebula", [3265], 5093711, minutes=39)
    site.detect(NOW)
    assert [(one.rows, one.added, one.changed) for one in latest_log_versions(site.catalog)] == [(2, 1, 1), (1, 1, 0)]


def test_a_log_that_lost_many_rows_is_not_followed(catalog, site, caplog):
    for number in range(30):
        site.log("2020-12-01", f"S{number}", [2000 + number], 5090000 + number)
    _crab(site)
    site.detect(NOW)
    everything = dict(site.rows)
    for number in range(2, 12):
        del site.rows["2020-12-01", f"S{number}"]
    site.write_log()
    assert [one.night for one in site.detect(NOW)] == [Night(NIGHT)]  # it goes on with what there is
    assert "10 known rows are gone at once" in caplog.text
    assert "10 known rows are gone at once: 2020-12-01 S" in latest_log_version(site.catalog).problems[0]
    assert latest_log_version(site.catalog).removed == 0
    assert len(sources_of(catalog, Night("2020-12-01"))) == 30
    site.rows = everything
    site.write_log()
    site.detect(NOW)
    assert [one.kind for one in history(catalog, Night("2020-12-01"), "S2")] == ["added"]
    # A single row may go.
    del site.rows["2020-12-01", "S2"]
    site.write_log()
    site.detect(NOW)
    assert [one.kind for one in history(catalog, Night("2020-12-01"), "S2")] == ["added", "removed"]


# --- productions


def test_a_new_production_gets_its_own_run_of_each_night(site):
    _crab(site)
    site.emit(site.detect(NOW))
    first = site.settings.productions.default
    other = site.second_production()
    assert site.detect(NOW) == []  # nobody said that detection should ask for it
    site.policy(detect_productions=(first, other))
    (found,) = site.detect(NOW)
    assert found.production == other
    assert [group["keys"] for group in grouped([found], site.settings)] == [["20201215.other"]]
    site.emit(found)
    assert site.detect(NOW) == []
    site.policy(detect_productions=())
    productions = site.settings.productions.model_copy(update={"default": other})
    site.settings = site.settings.model_copy(update={"productions": productions})
    assert site.detect(NOW) == []


def test_productions_with_the_same_files_list_them_once(site, monkeypatch):
    from stereo_tasks.dispatch import candidates

    _crab(site)
    other = site.second_production()
    newer = site.second_production(lst_version="v0.11")
    assert newer == other
    listed = []
    real = candidates.scan_night
    monkeypatch.setattr(candidates, "scan_night", lambda *a, **k: listed.append(k["lst_version"]) or real(*a, **k))
    site.policy(detect_productions=(site.settings.productions.default, other))
    assert [one.production for one in site.detect(NOW)] == [site.settings.productions.default]
    assert listed == ["v0.10", "v0.11"]
    assert (
        "no LST-1 DL1 of v0.11/tailcut84: the night has v0.10/tailcut84" in _entries(site, other)["CrabNebula"].missing
    )
    site.second_production(lst_version="v0.10")
    listed.clear()
    assert [one.production for one in site.detect(NOW)] == [site.settings.productions.default, other]
    assert listed == ["v0.10"]


# --- nights that people asked for


def test_a_night_that_was_asked_for_goes_out_when_its_files_come_however_old_it_is(catalog, site):
    later = NOW + 300 * DAY
    _both(site)
    site.emit(site.detect(NOW))  # it went out once, long ago, and then its files were removed
    for path in [*site.paths.lst_dl1.rglob("*.h5")]:
        path.unlink()
    answer = request_night(
        catalog, NIGHT, sources=["Mrk421"], force=True, by="me", backfill="b", now=later, settings=site.settings
    )
    assert answer.outcome == "waiting"
    assert site.detect(later) == []
    _mrk(site)
    (found,) = site.detect(later)
    assert (found.sources, found.force, found.answers) == (("Mrk421",), True, True)
    assert site.detect(later) == [found]
    site.emit(found)
    assert site.detect(later) == []
    production = site.settings.production().name
    assert [(one.outcome, one.requested_by, one.backfill) for one in requests.requests_of(catalog, production)] == [
        ("waiting", "me", "b"), ("requested", "me", "b"),
    ]  # fmt: skip
    assert requests.waiting_requests(catalog, production) == ()


def test_a_request_that_waits_is_not_answered_by_another_source(catalog, site):
    _both(site)
    production = site.settings.production().name
    site.emit(site.detect(NOW))
    holds.hold(catalog, Night(NIGHT), production, "look first", by="shifter", source="Mrk421")
    request_night(catalog, NIGHT, sources=["Mrk421"], force=True, now=NOW, settings=site.settings)
    site.log(NIGHT, "CrabNebula", [3265], 5093711, minutes=39)
    (found,) = site.detect(NOW)
    assert (found.sources, found.force) == (("CrabNebula",), False)
    site.emit(found)
    holds.release(catalog, Night(NIGHT), production, by="shifter", source="Mrk421")
    (found,) = site.detect(NOW)
    assert (found.sources, found.force) == (("Mrk421",), True)
    site.emit(found)
    assert site.detect(NOW) == []


# --- handing on


def test_nights_are_handed_on_in_groups(site):
    names = ("A", (), False), ("A", ("x",), False), ("A", (), False)
    found = [
        ReadyNight(Night(f"2020-12-{day}"), *same, ("c",), False, "r")
        for day, same in zip((10, 11, 12), names, strict=True)
    ]
    production = site.settings.productions.default
    groups = grouped(found, site.settings)
    assert production != "A"
    assert [group["keys"] for group in groups] == [["20201210.A", "20201212.A"], ["20201211.A"]]
    assert groups[1]["choice"] == {"production": "A", "sources": ["x"], "force": False}
    plain = json.loads(json.dumps([night for group in groups for night in group["nights"]]))
    assert sorted(map(ReadyNight.from_dict, plain), key=lambda one: one.night) == found
    many = [ReadyNight(Night(NIGHT), "A", (str(n),), False, ("c",), False, "r") for n in range(MAX_GROUPS + 1)]
    assert len(grouped(many, site.settings)) == MAX_GROUPS
