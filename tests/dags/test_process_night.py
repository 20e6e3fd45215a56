"""Runs of the DAGs that need no data: lock, plan, verdict and release, with a real catalog."""

from __future__ import annotations

import datetime as dt

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")

NIGHT = "20240110"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with a stereo log without observations, and a catalog."""
    from stereo_tasks.catalog.session import migrate
    from stereo_tasks.settings import load_settings
    from stereo_tasks.site.database import database_url, running_database

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
            migrate(url)
            yield root


@pytest.fixture
def run(read_dags, site):
    """Run a DAG; return the state of the run and those of its tasks."""

    def run_dag(name, **conf):
        # Read anew each time, as for a real run: `test` leaves the parameters of a run in its DAG.
        dag = read_dags().dags[name]
        for task in dag.tasks:
            task.retries = 0  # do not wait for them
        dag_run = dag.test(run_conf=conf)
        return str(dag_run.state), {task.task_id: task.state for task in dag_run.get_task_instances()}

    return run_dag


def locks():
    from stereo_tasks.catalog.locks import held_locks

    return [(str(lock.night), lock.owner) for lock in held_locks()]


def test_a_night_without_observations_is_skipped(run, capfd):
    state, tasks = run("process_night", night=NIGHT)
    assert state == "success"
    assert (tasks["lock"], tasks["plan"], tasks["verdict"], tasks["release"]) == (
        "success", "skipped", "skipped", "success",
    )  # fmt: skip
    assert {task for name, task in tasks.items() if name.startswith("source.")} == {"skipped"}
    assert "no observations in the stereo log for the night of 2024-01-10" in capfd.readouterr().out
    assert locks() == []


def test_a_night_that_somebody_else_processes_is_left_alone(run, capfd):
    from stereo_tasks.catalog.locks import acquire_night, release_night
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    production = load_settings().production().name
    acquire_night(Night(NIGHT), production, "somebody")
    try:
        state, tasks = run("process_night", night=NIGHT)
        assert state == "failed"
        assert (tasks["lock"], tasks["plan"], tasks["verdict"]) == ("failed", "upstream_failed", "upstream_failed")
        assert "is being processed by somebody" in capfd.readouterr().out
        assert locks() == [("2024-01-10", "somebody")]
    finally:
        release_night(Night(NIGHT), production, "somebody")


def test_a_night_that_cannot_be_planned_is_a_failure(run, site, capfd):
    log = site / "data" / "stereo_log.csv"
    log.rename(log.with_suffix(".away"))
    try:
        state, tasks = run("process_night", night=NIGHT)
    finally:
        log.with_suffix(".away").rename(log)
    assert (state, tasks["plan"], tasks["verdict"], tasks["release"]) == ("failed", "failed", "failed", "success")
    assert "the night was not planned" in capfd.readouterr().out
    assert locks() == []


def test_the_lock_of_a_dead_run_is_taken_over(run):
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from stereo_tasks.catalog.locks import acquire_night
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    run("process_night", night=NIGHT)
    with create_session() as session:
        run_id = session.scalars(select(DagRun.run_id).where(DagRun.dag_id == "process_night")).first()
    acquire_night(Night(NIGHT), load_settings().production().name, f"process_night/{run_id}")
    assert run("process_night", night=NIGHT)[0] == "success"
    assert locks() == []


def test_a_run_that_does_not_know_its_night_fails_at_once(run, capfd):
    state, tasks = run("process_night")
    assert state == "failed"
    assert tasks["lock"] == "failed"
    assert "which night?" in capfd.readouterr().out


def test_a_request_is_refused_skipped_or_handed_on(run, capfd):
    tomorrow = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=1):%Y%m%d}"
    assert run("request_nights", night=tomorrow)[0] == "failed"
    assert "is still to come" in capfd.readouterr().out
    assert run("request_nights", night=NIGHT, dry_run=True)[1] == {"request": "skipped"}
    assert "nothing to process in the night of 2024-01-10" in capfd.readouterr().out
    assert run("request_nights", night=NIGHT, force=True)[1] == {"request": "success"}
    assert events() == [("20240110", {"production": None, "sources": [], "force": True})]


def test_nothing_is_emitted_when_no_night_is_ready(run):
    before = events()
    assert run("detect_nights")[1] == {"detect": "skipped", "remember": "skipped"}
    assert events() == before


def events():
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return [(event.partition_key, event.extra) for event in session.scalars(select(AssetEvent))]
