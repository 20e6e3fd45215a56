"""Drills: a whole Airflow and a whole cluster, whose parts are killed. Not part of `make test`: they take minutes.

python -m pytest tests/drills -k kill --rounds 10
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=1, help="how often each part is killed")
    parser.addoption("--arrays", default="1,10,100", help="how many arrays at once, in the drill that counts calls")
    parser.addoption(
        "--numbers", default=None, help="file to which measured numbers are appended, a JSON object a line"
    )


@pytest.fixture(scope="session")
def numbers(request):
    """Write down what was measured."""
    import json

    def note(**values):
        line = json.dumps(values)
        print(f"\nMEASURED {line}", flush=True)
        if path := request.config.getoption("--numbers"):
            with Path(path).open("a") as file:
                file.write(line + "\n")

    return note


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Airflow on a cluster of two nodes with 32 processors each, that are not really there."""
    from airflow_site import AirflowSite
    from airflow_slurm.private_cluster import PrivateCluster

    folder = tmp_path_factory.mktemp("drill")
    dags = folder / "dags"
    shutil.copytree(Path(__file__).parent / "dags", dags)
    shutil.copy(Path(__file__).parents[2] / "dags" / "slurm_orphans.py", dags)
    # Memory is limited by the kernel, which needs root; ended jobs stay listed, so that all can be counted.
    options = {"MinJobAge": "3600", "MaxJobCount": "50000", "TaskPlugin": "task/cgroup"}
    with (
        PrivateCluster(folder / "cluster", nodes=2, cpus=32, memory_mb=100_000, options=options) as cluster,
        AirflowSite(folder / "site", dags, cluster, parallelism=16) as one,
    ):
        for dag in ("drill_watched", "drill_deferred", "drill_many", "slurm_orphans"):
            one.api.wait_for_dag(dag, timeout_s=120)
        yield one
        assert not one.queue()
