"""Runs of the DAGs that need no data: lock, plan, completion and release, with a real catalog."""

from __future__ import annotations

import datetime as dt

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")

NIGHT = "2024-01-10"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with a stereo log without observations, and a catalog."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import database_url, running_database
    from stereo_tasks.settings import load_settings

    root = tmp_path_factory.mktemp("site")
    log = root / "data" / "stereo_log.csv"
    log.parent.mkdir()
    log.write_text(
        ",,,,,,,,,,,,,\nDate,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
        "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEREO_SITE", str(root))
        settings = load_settings()
        with running_database(settings):
            url = database_url(settings, "catalog")
            patch.setenv("STEREO_CATALOG_URL", url)
            migrate(Catalog(url))
            yield root


@pytest.fixture
def run(run_dag, site):
    """Run a DAG; gives the state of the run, and those of its tasks."""
    return run_dag


def locks():
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.locks import held_locks

    return [(str(lock.night), lock.owner) for lock in held_locks(Catalog.of_site())]


def test_a_night_without_observations_is_skipped(run, capfd):
    state, tasks = run("process_night", night=NIGHT)
    assert state == "success"
    assert (tasks["lock"], tasks["plan"], tasks["completion"], tasks["release"]) == (
        "success", "skipped", "skipped", "success",
    )  # fmt: skip
    assert {task for name, task in tasks.items() if name.startswith("source.")} == {"skipped"}
    assert "no observations in the stereo log for the night of 2024-01-10" in capfd.readouterr().out
    assert locks() == []


@pytest.fixture
def somebody(site):
    """Somebody else is at work on the night; gives the catalog, night and production, and ends that work."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.locks import acquire_night, release_night
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    key = Catalog.of_site(), Night(NIGHT), load_settings().production().name
    acquire_night(*key, "somebody")
    yield key, lambda: release_night(*key, "somebody")
    release_night(*key, "somebody")


def test_a_run_that_finds_another_at_work_is_skipped_and_the_next_run_takes_over_what_it_was_asked_for(
    run, somebody, capfd
):
    from stereo_tasks.catalog.processing_runs import locked_out

    (catalog, night, production), end = somebody
    state, tasks = run("process_night", night=NIGHT, sources=["Mrk421"], force=True)
    assert state == "success"
    assert {tasks[name] for name in ("lock", "plan", "completion", "release", "hand_on")} == {"skipped"}
    assert "is being processed by somebody" in capfd.readouterr().out
    assert locks() == [("2024-01-10", "somebody")]
    (left,) = locked_out(catalog, production, night)
    assert left.choice == {"sources": ["Mrk421"], "force": True}
    end()
    # Nobody handed it on, and no run is left: detection does.
    before = events()
    assert run("detect_nights")[1]["hand_on.emit"] == "success"
    choice = {"production": "mcp062", "sources": ["Mrk421"], "force": True}
    assert events() == [*before, ("20240110", choice)]
    assert run("process_night", night=NIGHT)[1]["plan"] == "skipped"  # there are no observations
    assert locked_out(catalog, production, night) == ()
    assert run("detect_nights")[1]["detect"] == "skipped"


def test_a_run_hands_on_what_another_was_asked_for_after_it_had_planned(run, observed, monkeypatch):
    from stereo_tasks.catalog.processing_runs import LOCKED, end_run, locked_out
    from stereo_tasks.dispatch import taking

    def plan_and_take(catalog, night, production, *arguments, **more):
        planned = plan(catalog, night, production, *arguments, **more)
        end_run(catalog, night, production, "late run", LOCKED, choice={"sources": ["CrabNebula"], "force": True})
        seen.append((catalog, production, night))
        return planned

    observed()
    plan, seen = taking.plan_and_take, []
    monkeypatch.setattr(taking, "plan_and_take", plan_and_take)
    before = events()
    tasks = run("process_night", night=NIGHT)[1]
    assert (tasks["release"], tasks["hand_on"]) == ("success", "success")
    choice = {"production": "mcp062", "sources": ["CrabNebula"], "force": True}
    assert ("20240110", choice) in events()[len(before) :]
    monkeypatch.undo()
    run("process_night", night=NIGHT, **{name: choice[name] for name in ("sources", "force")})
    assert locked_out(*seen[0]) == ()


def test_a_night_that_cannot_be_planned_is_a_failure(run, site, capfd):
    log = site / "data" / "stereo_log.csv"
    log.rename(log.with_suffix(".away"))
    try:
        state, tasks = run("process_night", night=NIGHT)
    finally:
        log.with_suffix(".away").rename(log)
    assert (state, tasks["plan"], tasks["completion"], tasks["release"]) == ("failed", "failed", "failed", "success")
    assert "the night was not planned" in capfd.readouterr().out
    assert locks() == []


def test_the_lock_of_a_dead_run_is_taken_over(run):
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.locks import acquire_night
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    run("process_night", night=NIGHT)
    with create_session() as session:
        run_id = session.scalars(select(DagRun.run_id).where(DagRun.dag_id == "process_night")).first()
    acquire_night(Catalog.of_site(), Night(NIGHT), load_settings().production().name, f"process_night/{run_id}")
    assert run("process_night", night=NIGHT)[0] == "success"
    assert locks() == []


def test_a_run_that_does_not_know_its_night_fails_at_once(run, capfd):
    state, tasks = run("process_night")
    assert state == "failed"
    assert tasks["lock"] == "failed"
    assert "which night?" in capfd.readouterr().out


def settle(site, seconds):
    """Let files count as complete when they are so old, in nights however old."""
    path = site / "config" / "policy.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"settle_s: {seconds}\nlook_back_days: 10000\n")


ROW = "2024_01_10,CrabNebula,['Dark'],['L3T'],[True],['Nominal'],10,20,[1622],5110000,5110000,40,40,\n"


@pytest.fixture
def observed(site):
    """The night has an observation, and forests and IRFs for it; gives the function that puts its files there."""
    from stereo_tasks.nights import Night
    from stereo_tasks.planning.choices import choose
    from stereo_tasks.products.models import FOREST_KINDS
    from stereo_tasks.settings import load_settings

    settings, night = load_settings(), Night(NIGHT)
    paths, production = settings.site.paths, settings.production()
    log = site / "data" / "stereo_log.csv"
    empty = log.read_text()
    log.write_text(empty + ROW)
    tree = choose(night, "CrabNebula", settings, production).trees[1.5]
    names = [tree.forests_folder / f"{kind}_LST1_M1_M2.joblib" for kind in FOREST_KINDS]
    names += [tree.irf_folder / f"irf_zd_{zenith}.0deg_az_100.0deg.fits.gz" for zenith in (10, 24, 38)]
    lst = paths.lst_dl1 / night.lst_date
    dl1 = lst / production.lst_version / production.lst_tailcut
    files = [dl1 / "dl1_LST-1.Run01622.0000.h5", lst / "NightFinished.txt"]
    for telescope in (1, 2):
        folder = paths.magic_calibrated / f"M{telescope}/event/Calibrated" / night.magic_date
        files.append(folder / f"20240111_M{telescope}_05110000.001_Y_CrabNebula-W0.40+035.root")

    def put(paths):
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")

    put(names)
    yield lambda: put(files)
    log.write_text(empty)
    for path in files:
        path.unlink(missing_ok=True)
    (site / "config" / "policy.yaml").unlink(missing_ok=True)


def test_a_night_to_come_is_refused(run, capfd):
    tomorrow = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=1):%Y-%m-%d}"
    before = events()
    state, tasks = run("request_nights", night=tomorrow)
    assert (state, tasks) == ("failed", {"request": "failed", "remember": "upstream_failed"})
    assert "is still to come" in capfd.readouterr().out
    assert (events(), latest_ask(tomorrow).outcome) == (before, "refused")


@pytest.mark.parametrize(
    ("conf", "text"),
    [
        ({"night": "2017-01-01"}, "before LST-1 existed"),
        ({"night": NIGHT, "production": "nobody's"}, "no production"),
        ({}, "which night?"),
    ],
)
def test_a_request_that_cannot_be_understood_fails_at_once(run, capfd, conf, text):
    assert run("request_nights", **conf)[0] == "failed"
    assert text in capfd.readouterr().out


def test_a_night_without_observations_is_skipped_with_its_reason(run, capfd):
    before = events()
    for dry_run, outcome in ((True, "dry run"), (False, "nothing")):
        state, tasks = run("request_nights", night=NIGHT, dry_run=dry_run)
        assert (state, tasks) == ("success", {"request": "skipped", "remember": "skipped"})
        assert "no observations in the stereo log for the night of 2024-01-10" in capfd.readouterr().out
        assert latest_ask(NIGHT).outcome == outcome
    assert events() == before


def test_a_request_waits_for_files_and_is_handed_on_by_detection(run, site, observed, capfd):
    before = events()
    state, tasks = run("request_nights", night=NIGHT, force=True)
    assert (state, tasks["request"]) == ("success", "skipped")
    assert "waiting: CrabNebula: waits: " in capfd.readouterr().out
    assert latest_ask(NIGHT).outcome == "waiting"
    assert run("detect_nights")[1]["detect"] == "skipped"
    observed()
    assert run("detect_nights")[1]["detect"] == "skipped"  # the files have not settled
    settle(site, 0)
    assert run("detect_nights")[1]["hand_on.emit"] == "success"
    choice = {"production": "mcp062", "sources": [], "force": True}
    assert events() == [*before, ("20240110", choice)]
    assert latest_ask(NIGHT).outcome == "requested"
    assert run("detect_nights")[1]["detect"] == "skipped"


def test_a_request_is_handed_on_with_what_was_asked_for(run, observed):
    observed()
    before = events()
    state, tasks = run("request_nights", night=NIGHT, force=True)
    assert (state, tasks) == ("success", {"request": "success", "remember": "success"})
    choice = {"production": "mcp062", "sources": [], "force": True}
    assert events() == [*before, ("20240110", choice)]
    assert latest_ask(NIGHT).outcome == "requested"
    assert latest_ask(NIGHT).backfill.startswith("manual__")


def test_nothing_is_emitted_when_no_night_is_ready(run):
    before = events()
    tasks = run("detect_nights")[1]
    assert set(tasks.values()) == {"skipped"}
    assert events() == before


def latest_ask(night):
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.requests import requests_of
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    return requests_of(Catalog.of_site(), load_settings().production().name, Night(night), Night(night))[-1]


def events():
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return [(event.partition_key, event.extra) for event in session.scalars(select(AssetEvent))]


def test_a_backup_is_written_every_day_and_the_oldest_go(run, site):
    from stereo_tasks.settings import load_settings

    folder = load_settings().site.paths.backups
    folder.mkdir(parents=True)
    for day in range(10, 30):
        (folder / f"catalog_2020-01-{day}T130000Z.dump").touch()
    assert run("back_up_catalog") == ("success", {"back_up": "success"})
    found = sorted(path.name for path in folder.iterdir())
    assert len(found) == load_settings().site.backups_kept
    assert found[0] == "catalog_2020-01-17T130000Z.dump"
    assert (folder / found[-1]).stat().st_size > 0
