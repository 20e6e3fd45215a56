"""A private Airflow with an empty SQLite database, and arrays of small real commands."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_arrays, however pytest imports the tests

if "airflow" not in sys.modules and "STEREO_TEST_AIRFLOW" not in os.environ:
    # Airflow reads its settings when it is imported, so this stands before every import of it.
    home = tempfile.mkdtemp(prefix="airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["STEREO_TEST_AIRFLOW"] = home
    Path(home, "dags").mkdir()
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's database, with its tables."""
    home = Path(os.environ["AIRFLOW_HOME"])
    if not (home / "migrated").exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        (home / "migrated").touch()
    return home / "airflow.db"
