"""A private Airflow for the tests: no test may see the Airflow of the person who runs it."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# Tests that run in the background have inherited that SIGINT is ignored, and would hand that on to what they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each worker of pytest-xdist has one of its own; what it starts inherits it.
worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
if "airflow" not in sys.modules and os.environ.get("STEREO_TEST_AIRFLOW") != worker:
    # Airflow reads its settings when it is imported, so this stands before every import of it.
    home = tempfile.mkdtemp(prefix="airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["STEREO_TEST_AIRFLOW"] = worker
    Path(home, "dags").mkdir()
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }
