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
