"""Real SLURM clusters for the tests of this room. Where SLURM is missing and cannot be installed, the tests fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airflow_slurm.private_cluster import PrivateCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    """Two nodes of eight processors that are not really there, without accounting.

    All tests share it: leave no job and no dead daemon behind.
    """
    with PrivateCluster(tmp_path_factory.mktemp("cluster"), nodes=2, cpus=8) as one:
        yield one


@pytest.fixture(scope="session")
def accounted_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCluster]:
    """The same with a database of jobs."""
    with PrivateCluster(tmp_path_factory.mktemp("accounted"), nodes=2, cpus=8, accounting=True) as one:
        yield one
