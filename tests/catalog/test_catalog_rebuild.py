"""Rebuilding: the same catalog comes out of log, output tree, raw files and decisions."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from stereo_tasks.catalog import (
    dispatches,
    holds,
    jobs,
    log_versions,
    overrules,
    processing_runs,
    requests,
    run_verdicts,
    sign_offs,
    withdrawals,
)
from stereo_tasks.catalog import rebuild as rebuilding
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Base, EngineSuspension
from stereo_tasks.catalog.observations import update_observations
from stereo_tasks.catalog.readiness import write_readiness
from stereo_tasks.catalog.rebuild import Rebuilt, rebuild
from stereo_tasks.catalog.records import ingest
from stereo_tasks.catalog.schema import migrate
from stereo_tasks.catalog.telescope_runs import write_telescope_runs
from stereo_tasks.inventory import readiness, scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Blocker, Element, Plan
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.night import CALIBRATE, DL2
from stereo_tasks.stereo_log import Selection, read_site_log
from stereo_tasks.stereo_log import select as select_rows

HEADER = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
)
FIRST, SECOND = Night("2020-12-15"), Night("2020-12-16")
NOW = dt.datetime(2020, 12, 17, 12, 0, tzinfo=dt.UTC)
V = "v1"

# What cannot be the same: numbers of rows, and times at which the catalog itself was written.
CLOCKS = {
    "readiness": {"checked_utc"},
    "log_versions": {"last_seen_utc"},
    "plans": {"ingested_utc"},  # a rebuild takes the time at which the plan was used last
    "productions": {"first_seen_utc"},
}


def dump(catalog: Catalog) -> dict[str, list[dict[str, Any]]]:
    """All derived tables in the order of their rows' numbers or keys, without what cannot be the same."""
    tables = {}
    with catalog.engine.connect() as connection:
        for name, table in Base.metadata.tables.items():
            rows = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            left_out = {"id"} | CLOCKS.get(name, set())
            found = [{key: value for key, value in row.items() if key not in left_out} for row in rows]
            # The number of a publication says nothing: its row is renewed when the same is published again.
            tables[name] = sorted(found, key=str) if name == "publications" else found
    del tables["night_locks"]
    return tables


class Life:
    """What happens at a site in some days, by the ordinary functions."""

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self.catalog = catalog
        self.settings = load_settings(root)
        self.paths = self.settings.site.paths
        self.rows: dict[tuple[Night, str], list[str]] = {}

    def log(self, *rows: tuple[Night, str, int], minutes: str = "40") -> Selection:
        self.rows |= {
            (night, source): [
                night.log_date, source, "['Dark']", "['L3T']", "[True]", "['Nominal']", "10", "20", f"[{run}]",
                str(5090000 + run), str(5090000 + run), "40", minutes, "",
            ]
            for night, source, run in rows
        }  # fmt: skip
        return self.read()

    def read(self) -> Selection:
        path = Path(self.paths.stereo_log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            file.write(HEADER)
            csv.writer(file).writerows(self.rows.values())
        log = read_site_log(self.settings)
        chosen = select_rows(log.observations, self.settings.policy)
        changes = update_observations(self.catalog, chosen)
        log_versions.note_log_version(
            self.catalog, log.origin, log.checksum, rows=len(log.observations), problems=log.problems, changes=changes
        )
        return chosen

    def raw(self, night: Night, run: int) -> None:
        production = self.settings.production()
        folder = self.paths.lst_dl1 / night.lst_date / production.lst_version / production.lst_tailcut
        files = [folder / f"dl1_LST-1.Run{run:05}.{subrun:04}.h5" for subrun in range(40) if subrun != 5]
        for telescope in (1, 2):
            above = self.paths.magic_calibrated / f"M{telescope}" / "event" / "Calibrated" / night.magic_date
            name = f"{night.magic_stamp}_M{telescope}_{5090000 + run:08}.001_Y_Crab-W0.40+035.root"
            files.append(above / name)
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("abc")
        (self.paths.lst_dl1 / night.lst_date / "NightFinished.txt").touch()

    def look(self, chosen: Selection) -> None:
        """Do what detection does with the files."""
        production = self.settings.production()
        files = {
            night: scan_night(
                night, magic_calibrated=self.paths.magic_calibrated, lst_dl1=self.paths.lst_dl1,
                lst_version=production.lst_version, lst_tailcut=production.lst_tailcut,
            )
            for night in sorted({row.night for row in chosen.accepted})
        }  # fmt: skip
        write_telescope_runs(self.catalog, files.values())
        write_readiness(
            self.catalog,
            [(r.night, r.source, readiness(r, files[r.night], self.settings.policy, NOW)) for r in chosen.accepted],
            V,
        )

    def plan(self, night: Night | None, source: str, elements: int = 3, **more: Any) -> Plan:
        root = self.paths.output / V / source
        made = [
            Element(f"{stage}/{number}", stage, (), (str(root / stage.name / f"{night}.{number}.h5"),))
            for stage in (CALIBRATE, DL2)
            for number in range(elements)
        ]
        plan = Plan(
            production=V, name=f"{night.lst_date if night else 'mc'}/{source}", source=source,
            night=str(night) if night else None, root=str(root), choices=(), notices=(), runs=(),
            elements=tuple(made), config={}, settings={}, **{"blockers": (), "versions": {"mcp": "0.6.2"}, **more},
        )  # fmt: skip
        plan.save()
        return plan

    def work(self, plan: Plan) -> None:
        for number, element in enumerate(plan.elements):
            state = [State.DONE, State.DONE, State.FAILED, State.SKIPPED][number % 4]
            product = Path(element.outputs[0])
            product.parent.mkdir(parents=True, exist_ok=True)
            product.write_text("x" * (10 + number))
            status = product.stat()
            mark = FileMark(str(product), status.st_size, status.st_mtime_ns, f"sum{number}")
            outputs = (mark,) if state == State.DONE else ()
            Record(
                element=element.id, stage=element.stage.name, state=state, reason="" if outputs else "a",
                fingerprint=ElementStates(plan).fingerprint(element, {}),
                plan=str(plan.path), outputs=outputs, counts={"events": 3.0}, lost=("subrun 7",) if number == 1 else (),
            ).save(element.record_path)  # fmt: skip

    def qa(self, plan: Plan, level: str) -> None:
        page, numbers = NightTree(Path(plan.root), Night(plan.night), "").qa
        numbers.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<html>")
        numbers.write_text(json.dumps({
            "verdict": {"level": level, "reason": "because"}, "metrics": {"significance_sigma": 7.5},
            "runs": [{
                "lst_run": 3265, "level": level, "metrics": {"zenith_deg": 20.5, "live_time_s": 1100.0},
                "verdicts": [{"metric": "zenith_deg", "level": level, "reason": "" if level == "good" else "high"}],
            }],
        }))  # fmt: skip

    def publish(self, plan: Plan, version: str) -> None:
        link = NightTree(Path(plan.root), Night(plan.night), "g_0.9").published
        folder = link.parent / ".versions" / f"{link.name}.{version}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "published.json").write_text(json.dumps({"plan": str(plan.path), "qa": "good"}))
        link.unlink(missing_ok=True)
        link.symlink_to(Path(".versions") / folder.name)

    def decisions(self) -> None:
        """What people and the DAGs decide."""
        holds.hold(self.catalog, FIRST, V, "moon too bright", by="shifter", source="CrabNebula")
        holds.release(self.catalog, FIRST, V, by="boss", source="CrabNebula")
        holds.hold(self.catalog, FIRST, V, "once more", by="shifter", source="CrabNebula")
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1.5)
        holds.hold(self.catalog, SECOND, V, "for a moment", by="shifter", until=soon)
        while any(one.until_utc == soon for one in holds.open_holds(self.catalog, V)):
            time.sleep(0.1)
        holds.hold(self.catalog, SECOND, V, "until somebody comes", by="other", until=NOW.replace(year=2099))
        dispatches.note_dispatch(self.catalog, FIRST, V, "abc", "complete")
        dispatches.note_dispatch(self.catalog, FIRST, V, "def", "more files")
        dispatches.note_dispatch(self.catalog, FIRST, V, "abc", "not again")
        requests.note_request(
            self.catalog, FIRST, V, requests.REQUESTED, backfill="7", sources=["Mrk421"], force=True, by="me"
        )
        requests.note_request(self.catalog, SECOND, V, requests.WAITING, "no files", by="me")
        withdrawals.withdraw(self.catalog, FIRST, "CrabNebula", V, "a cloud", by="me", run=1)
        withdrawals.lift(self.catalog, FIRST, "CrabNebula", V, "it was the moon", by="boss", run=1)
        withdrawals.withdraw(self.catalog, SECOND, "CrabNebula", V, "dust", by="me")
        processing_runs.begin_run(self.catalog, FIRST, V, "one")
        processing_runs.end_run(self.catalog, FIRST, V, "two", processing_runs.LOCKED, ["one is at work"])
        processing_runs.end_run(self.catalog, FIRST, V, "one", processing_runs.FAILED, ["not done"])
        processing_runs.begin_run(self.catalog, FIRST, V, "one")  # cleared
        processing_runs.begin_run(self.catalog, SECOND, V, "three")
        processing_runs.end_run(self.catalog, SECOND, V, "three", processing_runs.DONE, ["done", "2 of 2"])

    def all(self) -> None:
        self.log((FIRST, "CrabNebula", 3265), (FIRST, "Mrk421", 3266), (SECOND, "CrabNebula", 3270))
        self.log((FIRST, "CrabNebula", 3265), minutes="12")
        del self.rows[FIRST, "Mrk421"]
        self.read()
        chosen = self.log((FIRST, "Mrk421", 3266), (SECOND, "Mrk421", 3271), minutes="0")
        self.look(chosen)
        self.raw(FIRST, 3265)
        self.look(chosen)
        self.decisions()
        self.products()
        with self.catalog.transaction(writes=True) as session:
            session.add(EngineSuspension(
                stage="stereo", production=V, night=FIRST.evening, source="CrabNebula", reason="width, row 3",
            ))  # fmt: skip

    def judge(self) -> None:
        """What people say of the verdicts."""
        run = run_verdicts.find_run(self.catalog, V, f"{SECOND}/CrabNebula/3265")
        overrules.overrule(self.catalog, run, "good", "looked at it", by="expert")
        overrules.lift(self.catalog, run, "looked again", by="expert")
        overrules.overrule(self.catalog, run, "bad", "clouds", by="other")
        for night in (FIRST, SECOND):
            sign_offs.sign_off(self.catalog, night, V, "fine", by="shifter")
        sign_offs.lift(self.catalog, SECOND, V, by="shifter")

    def products(self) -> None:
        old, new = self.plan(FIRST, "CrabNebula", 4), self.plan(FIRST, "CrabNebula", 2)
        monte_carlo = self.plan(None, "mc/ST0316A/NSB1.5/v1/dec_2276", versions={"mcp": "0.6.1"})
        other = self.plan(SECOND, "CrabNebula", blockers=(Blocker("dl3", "no IRFs"),), versions={"mcp": "0.6.3"})
        for number, plan in enumerate((old, new, monte_carlo, other)):
            os.utime(plan.path, (1_700_000_000 + number,) * 2)
            self.work(plan)
            if plan.night:
                self.qa(plan, "good" if plan is new else "warning")
                self.publish(plan, plan.digest)
            ingest(self.catalog, plan)
        self.judge()
        jobs.save_jobs(self.catalog, new, "stereo_dl3", [
            {"token": "t", "job": number, "job_id": f"12_{number}", "elements": (number,), "state": "COMPLETED",
             "submitted_utc": NOW, "started_utc": NOW + dt.timedelta(seconds=3),
             "ended_utc": (NOW + dt.timedelta(seconds=10)).isoformat(), "max_rss_mb": 12.5, "label": "left out"}
            for number in (0, 1)
        ])  # fmt: skip
        jobs.save_jobs(
            self.catalog, new.path, "stereo_dl3", [{"token": "t", "job": 1, "state": "FAILED", "exit_code": 1}]
        )


@pytest.fixture
def life(catalog: Catalog, tmp_path: Path) -> Life:
    return Life(tmp_path, catalog)


@pytest.fixture
def empty(fresh, life) -> Catalog:
    made = Catalog(fresh("rebuilt"), life.catalog.decisions)
    migrate(made)
    return made


COPIES = (
    "observations", "holds", "requests", "withdrawals", "plans", "element_records", "products", "productions", "qa",
    "telescope_runs", "overrules", "sign_offs",
)  # fmt: skip
"""Tables that can be made again without the database, as far as they are not history."""


def test_a_rebuild_leaves_the_catalog_as_it_was(catalog, life):
    life.all()
    original = dump(catalog)
    assert not [name for name, rows in original.items() if not rows]  # every table has something to compare
    found = rebuild(catalog, life.settings)
    assert found == Rebuilt(
        decisions=0, observations=4, plans=4, records=len(original["element_records"]),
        products=len(original["products"]), publications=2, runs=3,
    )  # fmt: skip
    assert dump(catalog) == original


def test_a_lost_catalog_has_its_copies_and_decisions_again(catalog, life, empty):
    life.all()
    original = dump(catalog)
    found = rebuild(empty, life.settings)
    assert found.decisions == 4 + 2 + 4 + 2  # each with its end
    rebuilt = dump(empty)
    for name in COPIES:
        times = {"first_seen_utc", "changed_utc"}
        known, made = (
            [{key: value for key, value in row.items() if key not in times} for row in rows[name]]
            for rows in (original, rebuilt)
        )
        assert sorted(made, key=str) == sorted(known, key=str), name
    assert [row for row in rebuilt["publications"] if row in original["publications"]] == rebuilt["publications"]
    assert len(rebuilt["publications"]) == 2  # what is visible now
    assert rebuild(empty, life.settings) == replace(found, decisions=0)
    assert dump(empty) == rebuilt


def test_the_visible_plan_and_publication_are_the_same(catalog, life, empty):
    from stereo_tasks.catalog.nights import night_overview

    life.all()
    rebuild(empty, life.settings)
    before, after = (night_overview(one, V, FIRST, SECOND) for one in (catalog, empty))
    assert [(row.night, row.source) for row in before] == [
        (FIRST, "CrabNebula"), (FIRST, "Mrk421"), (SECOND, "CrabNebula"), (SECOND, "Mrk421"),
    ]  # fmt: skip
    for old, new in zip(before, after, strict=True):
        assert new.planned == (old.planned and replace(old.planned, ingested_utc=new.planned.ingested_utc))
        assert (new.published, new.quality, new.held, new.request, new.observed) == (
            old.published, old.quality, old.held, old.request, old.observed,
        )  # fmt: skip
    assert before[0].planned.stages[0].total == 2  # the later plan
    assert [one.reason for one in before[2].held] == ["until somebody comes"]


def test_a_new_log_is_followed_and_a_lost_one_is_not(catalog, life, caplog):
    life.log((FIRST, "CrabNebula", 3265))
    Path(life.paths.stereo_log).unlink()
    assert rebuild(catalog, life.settings).observations == 1
    assert "cannot be read" in caplog.text
    life.rows[SECOND, "Mrk421"] = list(life.rows[FIRST, "CrabNebula"])
    life.rows[SECOND, "Mrk421"][:2] = [SECOND.log_date, "Mrk421"]
    life.rows[SECOND, "Mrk421"][8:11] = ["[3270]", "5093270", "5093270"]
    with Path(life.paths.stereo_log).open("w", newline="") as file:
        file.write(HEADER)
        csv.writer(file).writerows(life.rows.values())
    assert rebuild(catalog, life.settings).observations == 2
    assert [(one.rows, one.added) for one in log_versions.latest_log_versions(catalog)] == [(2, 1), (1, 1)]


def test_readers_see_the_old_and_writers_wait(catalog, life, monkeypatch):
    life.all()
    before = dump(catalog)
    half_way, go_on = threading.Event(), threading.Event()

    def wait(*arguments: Any) -> None:
        half_way.set()
        assert go_on.wait(30)
        read(*arguments)

    read = rebuilding._Tree.read
    monkeypatch.setattr(rebuilding._Tree, "read", wait)
    worker = threading.Thread(target=rebuild, args=(catalog, life.settings))
    writer = threading.Thread(
        target=holds.hold, args=(catalog, SECOND, V, "meanwhile"), kwargs={"by": "me", "source": "X"}
    )
    worker.start()
    try:
        assert half_way.wait(30)
        writer.start()
        assert dump(catalog) == before
        writer.join(0.5)
        assert writer.is_alive()
    finally:
        go_on.set()
        worker.join(60)
    writer.join(30)
    assert not worker.is_alive()
    assert not writer.is_alive()
    assert "meanwhile" in [one.reason for one in holds.open_holds(catalog, V)]
    after = dump(catalog)
    assert {name for name in after if after[name] != before[name]} == {"holds"}


def test_a_rebuild_that_fails_changes_nothing(catalog, life, monkeypatch):
    life.all()
    before = dump(catalog)

    def fail(*_: Any) -> None:
        raise OSError("no")

    monkeypatch.setattr(rebuilding._Tree, "read", fail)
    with pytest.raises(OSError, match="no"):
        rebuild(catalog, life.settings)
    assert dump(catalog) == before


def test_a_plan_that_cannot_be_read_is_left_out(catalog, life, caplog):
    plan = life.plan(FIRST, "CrabNebula")
    (plan.path.parent / "plan_broken.json").write_text("{}")
    assert rebuild(catalog, life.settings).plans == 1
    assert "plan_broken.json" in caplog.text
    with catalog.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Base.metadata.tables["plans"])) == 1


def test_verdicts_that_count_are_read_in_again_and_a_sign_off_still_holds(catalog, life, empty):
    life.all()
    rebuild(empty, life.settings)

    def said(one: Catalog) -> list[tuple[Any, ...]]:
        with one.transaction() as session:
            return [
                (row.night, row.run, row.level, row.reasons, row.zenith_deg, row.live_time_s, row.judged_utc)
                for row in run_verdicts.current_verdicts(session, V)
            ]

    assert said(empty) == said(catalog)
    assert [row[2:6] for row in said(empty)] == [
        ("good", [], 20.5, 1100.0), ("warning", ["high"], 20.5, 1100.0),
    ]  # fmt: skip
    kept = sign_offs.sign_offs(empty, V, FIRST, SECOND)
    assert kept == sign_offs.sign_offs(catalog, V, FIRST, SECOND)
    assert [(night, one.by, one.holds) for night, one in kept.items()] == [(FIRST, "shifter", True)]


def test_a_verdict_without_its_page_counts_no_more(catalog, life):
    life.all()
    for night in (FIRST, SECOND):
        NightTree(life.paths.output / V / "CrabNebula", night, "").qa[1].unlink()
    rebuild(catalog, life.settings)
    with catalog.transaction() as session:
        assert run_verdicts.current_verdicts(session, V) == []
    assert len(run_verdicts.verdict_history(catalog, V, FIRST, "CrabNebula", 3265)) == 2
