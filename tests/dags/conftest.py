"""A private Airflow with an empty SQLite database, the DAGs of this checkout, and a site with an empty night."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="session")
def dags_folder() -> Path:
    """The DAGs of this checkout."""
    return DAGS


@pytest.fixture(scope="session")
def read_dags():
    """Read all DAGs as the DAG processor reads them."""
    from airflow.dag_processing.dagbag import BundleDagBag

    return lambda: BundleDagBag(dag_folder=str(DAGS), bundle_path=DAGS, bundle_name="dags-folder")


@pytest.fixture(scope="session")
def dag_bag(read_dags):
    """All DAGs."""
    return read_dags()


@pytest.fixture(scope="session")
def airflow_database(dag_bag) -> Path:
    """Airflow's database, with its tables and the DAGs of this checkout."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db

    home = Path(os.environ["AIRFLOW_HOME"])
    if not (home / "migrated").exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        (home / "migrated").touch()
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(dag_bag, "dags-folder", None)
    return home / "airflow.db"


@pytest.fixture
def local_site(tmp_path, monkeypatch):
    """The settings of a site that works on this machine alone, with a catalog."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import database_url, running_database
    from stereo_tasks.settings import load_settings

    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    monkeypatch.setenv("STEREO_CLUSTER", "local")
    settings = load_settings()
    with running_database(settings):
        url = database_url(settings, "catalog")
        monkeypatch.setenv("STEREO_CATALOG_URL", url)
        migrate(Catalog(url))
        yield settings


@pytest.fixture
def run_dag(read_dags):
    """Run a DAG; gives the state of the run, and those of its tasks."""

    def run(dag_id, **conf):
        # Read anew each time, as for a real run: `test` leaves the parameters of a run in its DAG.
        dag = read_dags().dags[dag_id]
        for task in dag.tasks:
            task.retries = 0  # do not wait for them
        run = dag.test(run_conf=conf)
        return str(run.state), {task.task_id: str(task.state) for task in run.get_task_instances()}

    return run
