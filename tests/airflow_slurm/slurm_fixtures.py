"""Real SLURM clusters for the tests of this room. Where SLURM is missing and cannot be installed, the tests fail."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator

import pytest
from airflow_slurm.private_cluster import PrivateCluster


def tidy(cluster: PrivateCluster) -> None:
    """Leave no job behind."""
    cluster.run("scancel", "--quiet", f"--user={getpass.getuser()}", check=False)
    deadline = time.monotonic() + 20
    while cluster.run("squeue", "-h").strip():
        assert time.monotonic() < deadline, cluster.run("squeue")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    """Two nodes of eight processors that are not really there, without accounting.

    All tests share it: leave no job and no dead daemon behind.
    """
    with PrivateCluster(tmp_path_factory.mktemp("cluster"), nodes=2, cpus=8) as running:
        yield running


@pytest.fixture(scope="session")
def accounted_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    """The same with a database of jobs."""
    with PrivateCluster(tmp_path_factory.mktemp("accounted"), nodes=2, cpus=8, accounting=True) as running:
        yield running


@pytest.fixture(scope="session")
def distant_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    """Another one, for what is done through SSH: both may have arrays of the same name."""
    with PrivateCluster(tmp_path_factory.mktemp("distant"), nodes=2, cpus=8) as running:
        yield running
