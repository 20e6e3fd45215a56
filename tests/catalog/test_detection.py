"""Detection: a night goes out once per content, when it is complete or old enough, and is never lost."""

from __future__ import annotations

import csv
import datetime as dt
import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from stereo_tasks.catalog import holds
from stereo_tasks.catalog.ledger import read_ledger
from stereo_tasks.catalog.observations import history
from stereo_tasks.detection import detect_ready_nights, mark_emitted
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings

HEADER = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
)
NOW = dt.datetime(2020, 12, 16, 12, 0, tzinfo=dt.UTC)
WRITTEN = dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)


class Site:
    def __init__(self, root: Path) -> None:
        self.settings = load_settings(root)
        self.paths = self.settings.site.paths
        self.rows: dict[tuple[str, str], list[str]] = {}

    def log(self, night: str, source: str, lst: str, run: int, *, trigger: str = "L3T", minutes: str = "40") -> None:
        self.rows[night, source] = [
            night.replace("-", "_"), source, "['Dark']", f"['{trigger}']", "[True]", "['Nominal']", "10", "20", lst,
            str(run), str(run), "40", minutes, "",
        ]  # fmt: skip
        self.paths.stereo_log.parent.mkdir(parents=True, exist_ok=True)
        with self.paths.stereo_log.open("w", newline="") as file:
            file.write(HEADER)
            csv.writer(file).writerows(self.rows.values())

    def _put(self, path: Path, written: dt.datetime) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("abc")
        os.utime(path, (written.timestamp(), written.timestamp()))

    def lst(self, night: str, run: int, written: dt.datetime = WRITTEN) -> None:
        production = self.settings.production()
        folder = self.paths.lst_dl1 / Night(night).lst_date
        path = folder / production.lst_version / production.lst_tailcut / f"dl1_LST-1.Run{run:05}.0000.h5"
        self._put(path, written)
        self._put(folder / "NightFinished.txt", written)

    def magic(self, night: str, run: int, source: str = "Crab") -> None:
        date = Night(night)
        for telescope in (1, 2):
            folder = self.paths.magic_calibrated / f"M{telescope}" / "event" / "Calibrated" / date.magic_date
            self._put(folder / f"{date.magic_stamp}_M{telescope}_{run:08}.001_Y_{source}-W0.40+035.root", WRITTEN)

    def detect(self, now: dt.datetime = NOW):
        return detect_ready_nights(now, settings=self.settings)

    def emit(self, nights) -> None:
        mark_emitted(nights, settings=self.settings)


@pytest.fixture
def site(catalog: Engine, tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.log("2020-12-15", "CrabNebula", "[3265]", 5093711)
    return made


def _ready(site: Site) -> None:
    site.lst("2020-12-15", 3265)
    site.magic("2020-12-15", 5093711)


def test_a_night_goes_out_once_but_is_not_lost_in_a_crash(site):
    assert site.detect() == []
    _ready(site)
    (found,) = site.detect()
    assert found.night == Night("2020-12-15")
    assert found.reason.startswith("CrabNebula: complete")
    assert site.detect() == [found]  # nobody said that it was handed on
    site.emit(found)
    site.emit([found])
    assert site.detect() == []


def test_new_content_sends_it_out_again(site):
    _ready(site)
    site.emit(site.detect())
    site.log("2020-12-15", "CrabNebula", "[3265]", 5093711, minutes="39")
    (second,) = site.detect()
    site.emit(second)
    site.magic("2020-12-15", 5093712)
    (third,) = site.detect()
    assert third.signature != second.signature


def test_a_rejected_row_changes_nothing(site):
    _ready(site)
    site.emit(site.detect())
    site.log("2020-12-15", "Mrk421", "[3300]", 5093800, trigger="SumT")
    assert site.detect() == []


def test_the_night_waits_for_all_its_sources_until_it_is_old(site):
    _ready(site)
    site.log("2020-12-15", "Mrk421", "[3300]", 5093800)
    assert site.detect() == []
    hours = site.settings.policy.partial_night_age_h
    (found,) = site.detect(NOW + dt.timedelta(hours=hours))
    assert "Mrk421: waits: LST-1 run 3300: no file" in found.reason


def test_an_old_night_waits_for_a_source_that_is_being_copied(site):
    _ready(site)
    site.log("2020-12-15", "Mrk421", "[3300]", 5093800)
    old = NOW + dt.timedelta(hours=site.settings.policy.partial_night_age_h)
    site.lst("2020-12-15", 3300, written=old)
    assert site.detect(old) == []
    assert len(site.detect(old + dt.timedelta(seconds=site.settings.policy.settle_s))) == 1


def test_an_old_night_with_nothing_to_process_stays(site):
    assert site.detect(NOW + dt.timedelta(days=10)) == []


def test_a_night_that_is_not_over_or_long_ago_is_not_looked_at(site, monkeypatch):
    _ready(site)
    monkeypatch.setattr("stereo_tasks.detection.scan_night", lambda *_, **__: pytest.fail("the folders were listed"))
    assert site.detect(dt.datetime(2020, 12, 16, 7, 59, tzinfo=dt.UTC)) == []
    assert site.detect(NOW + dt.timedelta(days=site.settings.policy.look_back_days)) == []


def test_a_night_held_by_a_person_stays_until_its_release(site):
    _ready(site)
    production = site.settings.production().name
    holds.hold(Night("2020-12-15"), production, "look first", by="shifter")
    assert site.detect() == []
    holds.release(Night("2020-12-15"), production, by="shifter")
    assert len(site.detect()) == 1


def test_one_broken_folder_does_not_stop_other_nights(site, caplog):
    site.log("2020-12-14", "Mrk421", "[3200]", 5093600)
    folder = site.paths.magic_calibrated / "M1" / "event" / "Calibrated" / "2020" / "12" / "15"
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")
    _ready(site)
    assert [one.night for one in site.detect()] == [Night("2020-12-15")]
    assert "2020-12-14 is left for the next time" in caplog.text


def test_problems_of_the_log_are_said(site, caplog):
    site.rows["x", "y"] = ["2020_12_99", "BLLac"]
    site.log("2020-12-15", "CrabNebula", "[3265]", 5093711)
    site.detect()
    assert "line 4, Date" in caplog.text


def test_the_ledger_and_the_log_are_in_the_catalog(site):
    site.detect()
    night = Night("2020-12-15")
    (entry,) = read_ledger(site.settings.production().name, first=night, last=night)
    assert (entry.source, entry.ready) == ("CrabNebula", False)
    assert "LST-1 run 3265: no file" in entry.missing
    _ready(site)
    site.detect()
    (entry,) = read_ledger(site.settings.production().name, first=night, last=night)
    assert entry.ready
    assert entry.files_changed_utc == WRITTEN
    assert [one.kind for one in history(night, "CrabNebula")] == ["added"]
