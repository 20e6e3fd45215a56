"""A private Airflow with an empty SQLite database, real SLURM clusters, and arrays of small real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_arrays, however pytest imports the tests

from slurm_fixtures import accounted_cluster, cluster  # noqa: F401


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's database, with its tables."""
    home = Path(os.environ["AIRFLOW_HOME"])
    if not (home / "migrated").exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        (home / "migrated").touch()
    return home / "airflow.db"
