"""Asks, runs, jobs, readings, runs of telescopes, and the overview of nights."""

from __future__ import annotations

import datetime as dt
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from stereo_tasks.catalog import holds, jobs, log_versions, processing_runs, requests
from stereo_tasks.catalog.database import URL_FILE_VARIABLE, URL_VARIABLE, Catalog, CatalogError, catalog_url
from stereo_tasks.catalog.locks import acquire_night
from stereo_tasks.catalog.models import ProductRow, QaRow
from stereo_tasks.catalog.nights import night_overview
from stereo_tasks.catalog.observations import Change
from stereo_tasks.catalog.publications import published
from stereo_tasks.catalog.readiness import read_readiness, write_readiness
from stereo_tasks.catalog.records import ingest
from stereo_tasks.catalog.telescope_runs import telescope_runs_of, write_telescope_runs
from stereo_tasks.inventory import Readiness, scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import CALIBRATE

pytestmark = pytest.mark.usefixtures("catalog")
NEXT = Night("2020-12-16")
READY = Readiness(
    ready=True, partial=False, blocked=(), missing=(), remarks=(), present=("all",), usable=True, settled=True,
    since=dt.datetime(2020, 12, 16, tzinfo=dt.UTC), content="c",
)  # fmt: skip
WAITS = replace(READY, ready=False, missing=("LST-1 run 3265: no file",))


def test_a_hold_ends_by_itself_and_makes_room(catalog, night):
    end = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert holds.hold(catalog, night, "v1", "moon", by="me", until=end)
    assert not holds.hold(catalog, night, "v1", "again", by="me")
    assert len(holds.open_holds(catalog, "v1", now=end - dt.timedelta(seconds=0.1))) == 1
    assert holds.open_holds(catalog, "v1", now=end) == ()
    with catalog.engine.begin() as connection:  # an hour later
        connection.execute(text("UPDATE holds SET until_utc = clock_timestamp()"))
    assert holds.open_holds(catalog, "v1") == ()
    assert not holds.release(catalog, night, "v1", by="me")
    assert holds.hold(catalog, night, "v1", "again", by="me")
    assert [one.reason for one in holds.open_holds(catalog, "v1")] == ["again"]
    with pytest.raises(ValueError, match="passed"):
        holds.hold(catalog, NEXT, "v1", "moon", by="me", until=end - dt.timedelta(hours=2))
    with pytest.raises(ValueError, match="zone"):
        holds.hold(catalog, NEXT, "v1", "moon", by="me", until=end.replace(tzinfo=None))


def test_the_latest_ask_of_a_night_counts(catalog, night):
    requests.note_request(catalog, night, "v1", requests.WAITING, "no files", backfill="7", sources=["b", "a"], by="me")
    requests.note_request(catalog, NEXT, "v1", requests.WAITING)
    requests.note_request(catalog, NEXT, "v2", requests.WAITING)
    assert [one.night for one in requests.waiting_requests(catalog, "v1")] == [night.evening, NEXT.evening]
    requests.note_request(catalog, NEXT, "v1", requests.REQUESTED, backfill="8", force=True)
    requests.note_request(catalog, night, "v1", requests.DRY_RUN)
    (waiting,) = requests.waiting_requests(catalog, "v1")
    assert (waiting.night, waiting.sources, waiting.requested_by, waiting.force) == (
        night.evening,
        ["a", "b"],
        "me",
        False,
    )
    assert [one.outcome for one in requests.requests_of(catalog, "v1", night, night)] == ["waiting", "dry run"]
    assert [one.night for one in requests.requests_of(catalog, "v1", backfill="8")] == [NEXT.evening]
    with pytest.raises(ValueError, match="outcome"):
        requests.note_request(catalog, night, "v1", "maybe")


def test_the_latest_run_counts_unless_it_was_locked_out(catalog, night):
    processing_runs.begin_run(catalog, night, "v1", "one")
    processing_runs.end_run(catalog, night, "v1", "two", processing_runs.LOCKED, ["one is at work"])
    processing_runs.end_run(catalog, NEXT, "v1", "three", processing_runs.LOCKED)
    assert [(one.run_id, one.state) for one in processing_runs.latest_processing_runs(catalog, "v1", night, NEXT)] == [
        ("one", "running"), ("three", "locked"),
    ]  # fmt: skip
    processing_runs.end_run(catalog, night, "v1", "one", processing_runs.FAILED, ["no DL3"])
    (found,) = processing_runs.latest_processing_runs(catalog, "v1", night, night)
    assert (found.state, found.lines) == ("failed", ["no DL3"])
    assert found.started_utc < found.ended_utc
    processing_runs.begin_run(catalog, night, "v1", "one")
    (found,) = processing_runs.latest_processing_runs(catalog, "v1", night, night)
    assert (found.state, found.lines, found.ended_utc) == ("running", [], None)
    with pytest.raises(ValueError, match="end"):
        processing_runs.end_run(catalog, night, "v1", "one", "running")


def test_a_reading_is_a_content_of_the_log(catalog, night):
    changes = [Change(night, "Crab", kind) for kind in ("added", "returned", "changed", "removed", "selection")]
    assert log_versions.latest_log_version(catalog) is None
    assert log_versions.note_log_version(catalog, "/log", "abc", rows=3, problems=["line 4"], changes=changes)
    assert not log_versions.note_log_version(catalog, "/log", "abc", rows=3, etag="e")
    first = log_versions.latest_log_version(catalog)
    assert (first.added, first.changed, first.removed, first.problems, first.etag) == (2, 1, 1, ["line 4"], "e")
    assert first.first_seen_utc < first.last_seen_utc
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: log_versions.note_log_version(catalog, "/log", "def", rows=4), range(12))) == 1
    assert log_versions.note_log_version(catalog, "/log", "abc", rows=3)  # back to what it was
    assert [one.checksum for one in log_versions.latest_log_versions(catalog)] == ["abc", "def", "abc"]
    assert len(log_versions.latest_log_versions(catalog, 2)) == 2


def test_jobs_are_written_with_what_is_known_of_them(catalog, tmp_path, night):
    plan = _plan(tmp_path)
    at = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
    one = {"token": "t", "job": 0, "state": "RUNNING", "elements": (0, 1), "submitted_utc": at, "other": object()}
    assert jobs.save_jobs(catalog, plan, "magic_dl1", [one]) == 1
    done = one | {"state": "COMPLETED", "started_utc": at + dt.timedelta(seconds=5), "max_rss_mb": 12.5}
    done["ended_utc"] = (at + dt.timedelta(seconds=65)).isoformat()
    assert jobs.save_jobs(catalog, plan.path, "magic_dl1", [done, done | {"job": 1, "signal": 9}]) == 2
    first, second = jobs.jobs_of(catalog, night, "v1", source="CrabNebula")
    assert (first.state, first.elements, first.elapsed_s, first.queue_wait_s) == ("COMPLETED", [0, 1], 60.0, 5.0)
    assert (second.signal, second.plan_path, second.stage) == (9, str(plan.path), "magic_dl1")
    assert jobs.save_jobs(catalog, plan, "qa", []) == 0
    assert jobs.jobs_of(catalog, night, "v2") == ()


def test_runs_of_telescopes_follow_the_files(catalog, tmp_path, night):
    lst = tmp_path / "lst" / night.lst_date / "v0.10" / "tailcut84"
    magic = tmp_path / "magic" / "M1" / "event" / "Calibrated" / night.magic_date
    for path in (
        *(lst / f"dl1_LST-1.Run03265.{subrun:04}.h5" for subrun in (0, 1, 4)), lst / "dl1_LST-1.Run03266.0000.h5",
        magic / f"{night.magic_stamp}_M1_05093711.001_Y_Crab-W0.40+035.root",
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("abc")

    def look(version: str = "v0.10"):
        return scan_night(
            night, magic_calibrated=tmp_path / "magic", lst_dl1=tmp_path / "lst", lst_version=version,
            lst_tailcut="tailcut84",
        )  # fmt: skip

    write_telescope_runs(catalog, [look()])
    found = {(one.telescope, one.run): one for one in telescope_runs_of(catalog, night, night)}
    assert set(found) == {("LST-1", 3265), ("LST-1", 3266), ("M1", 5093711)}
    first = found["LST-1", 3265]
    assert (first.subruns, first.first_subrun, first.last_subrun, first.missing) == (3, 0, 4, [2, 3])
    assert (first.size_bytes, first.version, found["M1", 5093711].source) == (9, "v0.10/tailcut84", "Crab")
    assert write_telescope_runs(catalog, [look()]) == 0
    (lst / "dl1_LST-1.Run03266.0000.h5").unlink()
    assert write_telescope_runs(catalog, [look()]) == 1
    assert (
        write_telescope_runs(catalog, [look("v0.9")]) == 0
    )  # another version's files are not there: those that are stay
    assert [(one.telescope, one.run) for one in telescope_runs_of(catalog, night, night)] == [
        ("LST-1", 3265),
        ("M1", 5093711),
    ]


def test_an_observation_waits_since_it_was_first_seen_so(catalog, night):
    def since(seen: Readiness) -> dt.datetime | None:
        write_readiness(catalog, [(night, "Crab", seen)], "v1")
        (entry,) = read_readiness(catalog, "v1", first=night, last=night)
        return entry.waiting_since_utc

    first = since(WAITS)
    assert abs(dt.datetime.now(dt.UTC) - first) < dt.timedelta(minutes=1)
    assert since(replace(WAITS, missing=("something else",))) == first
    assert since(READY) is None
    assert since(WAITS) > first


def _plan(tmp_path: Path) -> Plan:
    root = tmp_path / "v1" / "CrabNebula"
    made = [Element(f"calibrate/{n}", CALIBRATE, (), (str(root / f"{n}.h5"),)) for n in range(2)]
    plan = Plan(
        production="v1", name="20201215/CrabNebula", source="CrabNebula", night="2020-12-15", root=str(root),
        choices=(), notices=(), blockers=(), runs=(), elements=tuple(made), config={}, settings={}, versions={},
    )  # fmt: skip
    plan.save()
    return plan


def _done(plan: Plan, number: int, *files: str) -> None:
    element = plan.elements[number]
    for name in files:
        (Path(plan.root) / name).write_text("7 bytes")
        os.utime(Path(plan.root) / name, ns=(1, 1))
    outputs = tuple(FileMark(str(Path(plan.root) / name), 7, 1, "abc") for name in files)
    Record(
        element=element.id, stage=element.stage.name, state=State.DONE, reason="",
        fingerprint=ElementStates(plan).fingerprint(element, {}), plan=str(plan.path),
        outputs=outputs,
    ).save(element.record_path)  # fmt: skip


def _products(catalog: Catalog) -> list[tuple[str, int, str]]:
    with catalog.transaction() as session:
        return [(Path(row.path).name, row.size_bytes, row.checksum) for row in session.scalars(select(ProductRow))]


def test_products_follow_the_records(catalog, tmp_path):
    plan = _plan(tmp_path)
    _done(plan, 0, "a", "b")
    _done(plan, 1, "c")
    ingest(catalog, plan)
    assert sorted(_products(catalog)) == [("a", 7, "abc"), ("b", 7, "abc"), ("c", 7, "abc")]
    _done(plan, 0, "b")
    plan.elements[1].record_path.unlink()
    ingest(catalog, plan)
    assert _products(catalog) == [("b", 7, "abc")]


def test_quality_and_publications_follow_the_tree(catalog, tmp_path, night):
    plan = _plan(tmp_path)
    ingest(catalog, plan)
    qa = tmp_path / "v1" / "CrabNebula" / "QA" / night.lst_date / "qa.json"
    qa.parent.mkdir(parents=True)
    qa.write_text(json.dumps({"verdict": {"level": "bad", "reason": "clouds"}, "metrics": {"s": 1.5}, "runs": []}))
    link = tmp_path / "v1" / "CrabNebula" / "DL3" / "g_0.9" / "published" / night.lst_date
    for version in ("one", "two", "two"):
        folder = link.parent / ".versions" / f"{link.name}.{version}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "published.json").write_text(json.dumps({"plan": str(plan.path), "qa": version}))
        link.unlink(missing_ok=True)
        link.symlink_to(Path(".versions") / folder.name)
        ingest(catalog, plan)
    with catalog.transaction() as session:
        row = session.scalars(select(QaRow)).one()
    assert (row.verdict, row.reason, row.metrics, row.page) == (
        "bad",
        "clouds",
        {"s": 1.5},
        str(qa.with_name("report.html")),
    )
    (visible,) = published(catalog, "v1")
    assert (visible.cuts, visible.verdict, visible.path) == ("g_0.9", "two", str(link.parent / link.readlink()))
    assert abs(dt.datetime.now(dt.UTC) - visible.published_utc) < dt.timedelta(minutes=1)
    qa.unlink()
    ingest(catalog, plan)
    with catalog.transaction() as session:
        assert session.scalars(select(QaRow)).all() == []


def test_an_overview_has_nights_without_a_source_too(catalog, night):
    requests.note_request(catalog, night, "v1", requests.NOTHING, "no observation", by="me")
    holds.hold(catalog, NEXT, "v1", "look first", by="me")
    holds.hold(catalog, NEXT, "v1", "odd", by="me", source="Mrk421")
    write_readiness(catalog, [(NEXT, "CrabNebula", WAITS)], "v1")
    acquire_night(catalog, NEXT, "v1", "run-1")
    first, crab, markarian = night_overview(catalog, "v1", night, NEXT)
    assert (first.source, first.request.outcome, first.held) == ("", "nothing", ())
    assert (crab.source, crab.readiness.missing, crab.locked.owner) == ("CrabNebula", WAITS.missing, "run-1")
    assert [one.reason for one in crab.held] == ["look first"]
    assert [one.reason for one in markarian.held] == ["look first", "odd"]
    assert [one.source for one in night_overview(catalog, "v1", night, NEXT, source="CrabNebula")] == ["CrabNebula"]
    assert night_overview(catalog, "v2", night, NEXT) == ()


def test_the_url_may_lie_in_a_file(tmp_path, monkeypatch):
    monkeypatch.delenv(URL_VARIABLE)
    monkeypatch.setenv(URL_FILE_VARIABLE, str(tmp_path / "url"))
    with pytest.raises(CatalogError, match="cannot be read"):
        catalog_url()
    (tmp_path / "url").write_text("\n")
    with pytest.raises(CatalogError, match="empty"):
        catalog_url()
    (tmp_path / "url").write_text("postgresql://secret@host/catalog\n")
    assert catalog_url() == "postgresql://secret@host/catalog"
    monkeypatch.setenv(URL_VARIABLE, "postgresql://first/catalog")
    assert catalog_url() == "postgresql://first/catalog"
