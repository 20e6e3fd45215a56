"""A private Airflow with an empty SQLite database, real SLURM clusters, and arrays of small real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_arrays, however pytest imports the tests

from airflow_slurm.private_cluster import PrivateCluster
from dag_runs import connection
from slurm_fixtures import accounted_cluster, cluster, distant_cluster, tidy  # noqa: F401
from ssh_server import server  # noqa: F401


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's database, with its tables."""
    home = Path(os.environ["AIRFLOW_HOME"])
    if not (home / "migrated").exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        (home / "migrated").touch()
    return home / "airflow.db"


@pytest.fixture
def cluster_here(cluster, tmp_path, monkeypatch) -> Iterator[PrivateCluster]:  # noqa: F811
    """The cluster, and its connection by the commands of this machine."""
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(cluster, tmp_path / "view"))
    yield cluster
    tidy(cluster)


@pytest.fixture
def cluster_through_ssh(distant_cluster, server, tmp_path, monkeypatch) -> Iterator[PrivateCluster]:  # noqa: F811
    """A cluster, and its connection through SSH."""
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(distant_cluster, tmp_path / "view", through=server))
    yield distant_cluster
    tidy(distant_cluster)


@pytest.fixture(params=["cluster_here", "cluster_through_ssh"])
def site(request) -> PrivateCluster:
    """A cluster, by each way to one."""
    return request.getfixturevalue(request.param)
