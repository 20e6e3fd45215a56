"""Jobs are as long as their elements need and their partition allows; tried on a real cluster and on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from airflow_slurm.array import Placement
from airflow_slurm.local import LocalBackend
from airflow_slurm.private_cluster import PrivateCluster
from airflow_slurm.repair import RepairPolicy
from airflow_slurm.slurm import SlurmBackend
from dag_runs import connection, run_stage, task_try
from slurm_backends import make_backend
from slurm_fixtures import tidy
from small_arrays import Stage

pytestmark = pytest.mark.usefixtures("airflow_database")

PARTITIONS = {
    "night": "Default=YES MaxTime=120",
    "minute": "MaxTime=1",
    "long": "MaxTime=INFINITE",
    "days": "MaxTime=1-12",
}


@pytest.fixture(scope="module")
def limited_cluster(tmp_path_factory) -> Iterator[PrivateCluster]:
    """A cluster whose usual partition gives a job two hours."""
    with PrivateCluster(tmp_path_factory.mktemp("limited"), nodes=1, cpus=16, partitions=PARTITIONS) as cluster:
        yield cluster


@pytest.fixture
def limited(limited_cluster, tmp_path, monkeypatch) -> Iterator[PrivateCluster]:
    """The same, with its connection."""
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(limited_cluster, tmp_path / "view"))
    yield limited_cluster
    tidy(limited_cluster)


def test_the_limit_of_each_partition_is_known(limited, tmp_path):
    backend = make_backend(limited, tmp_path)
    limits = {name: backend.time_limit_s(Placement(partition=name)) for name in PARTITIONS}
    assert limits == {"night": 7200, "minute": 60, "long": None, "days": 36 * 3600}
    assert backend.time_limit_s(Placement()) == 7200  # the default partition's
    assert backend.time_limit_s(Placement(partition="long,minute")) == 60  # it may be either
    assert make_backend(limited, tmp_path, placement=Placement(partition="minute")).time_limit_s(Placement()) == 60
    assert backend.client.calls["scontrol"] == 1


def test_no_job_asks_for_more_than_its_partition_allows(limited, tmp_path):
    # Together they need 18 h; one alone more than there is.
    stage = Stage(
        tmp_path / "long",
        {index: {"time_s": 9000 if index == 7 else 1800} for index in range(36)},
        per_job=36,
        start_s=60,
        job_time_max_s=8 * 3600,
    )
    reported = []
    state, result = run_stage(
        "long_night", stage, SlurmBackend.from_connection, report=lambda title, jobs: reported.extend(jobs)
    )
    assert (state, result["counts"]) == ("success", {"done": 36})
    assert [job["elements"] for job in reported if 7 in job["elements"]] == [[7]]
    assert {job["time_s"] for job in reported} == {7200}
    assert max(len(job["elements"]) for job in reported) == 3  # 60 s + 3 x 1800 s
    limits = limited.run("squeue", "--noheader", "--array", "--states=all", "--format=%l").split()
    assert set(limits) == {"2:00:00"}


def test_a_limit_of_the_planned_time_holds_where_the_partition_has_none(limited, tmp_path):
    stage = Stage(tmp_path / "a", {index: {"time_s": 1800} for index in range(4)}, per_job=4, job_time_max_s=3600)
    reported = []
    run_stage(
        "planned_limit", stage, SlurmBackend.from_connection,
        placement=Placement(partition="long"), report=lambda title, jobs: reported.extend(jobs),
    )  # fmt: skip
    assert [(job["elements"], job["time_s"]) for job in reported] == [([0, 1], 3600), ([2, 3], 3600)]


@contextmanager
def minutes_pass_quickly(cluster: PrivateCluster) -> Iterator[None]:
    """End each job that has run for two seconds, within the 30 s after which SLURM looks; it knows no shorter limit."""
    over = threading.Event()

    def hurry() -> None:
        while not over.wait(0.5):
            rows = cluster.run("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i %M", check=False)
            for job, elapsed in (row.split() for row in rows.splitlines()):
                if elapsed >= "0:02":
                    cluster.run("scontrol", "update", f"jobid={job}", "EndTime=now+1", check=False)

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(params=["slurm", "local"])
def run(request, tmp_path):
    """Run a stage where a job may take a minute, or some seconds on this machine."""
    name = request.node.originalname
    if request.param == "local":
        yield partial(run_stage, name, backend=lambda: LocalBackend(tmp_path / "state", 4, grace_s=0.3))
        return
    cluster = request.getfixturevalue("limited")
    with minutes_pass_quickly(cluster):
        yield partial(run_stage, name, backend=SlurmBackend.from_connection, placement=Placement(partition="minute"))


def test_one_slow_element_among_quick_neighbours_is_the_only_one_given_up(run, tmp_path, capfd):
    # Element 2 never ends. Eight elements share a job, and what a job may take.
    stage = Stage(
        tmp_path / "slow",
        {index: {"sleep": 600 if index == 2 else 0} for index in range(8)},
        per_job=8,
        time_s=1,
        job_time_max_s=8,
    )
    reported = []
    state, result = run(
        stage,
        repair=RepairPolicy(repairs=0, time_repairs=9, time_ceiling_s=8),
        report=lambda title, jobs: reported.extend(jobs),
    )
    assert (state, result["counts"]) == ("success", {"done": 7, "lost": 1})
    (failure,) = result["failures"]
    assert failure["element"] == "element 2"
    assert "it needs more than the" in failure["reason"]
    assert [len(stage.tries(index)) for index in (0, 1)] == [1, 1]
    assert all(len(stage.tries(index)) == 1 for index in range(3, 8)), "the neighbours were not at fault"
    tries = [job for job in reported if 2 in job["elements"]]
    assert tries[0]["elements"] == list(range(8))
    assert all(job["elements"] == [2] for job in tries[1:])
    assert all(job["time_s"] <= 60 for job in reported)


def test_an_element_that_needs_more_time_gets_it(run, tmp_path):
    stage = Stage(
        tmp_path / "more",
        {index: {"slow_until": 1 if index == 1 else 0} for index in range(4)},
        per_job=4,
        time_s=1,
        job_time_max_s=8,
    )
    state, result = run(stage, repair=RepairPolicy(repairs=0))
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 4}, 2)


def test_the_expected_times_survive_a_deferral(limited, tmp_path):
    from airflow_slurm.array import ArraySpec
    from airflow_slurm.chunks import JobTimes
    from airflow_slurm.task_state import TaskState

    times = JobTimes({3: 10.0, 5: 20.0}, 5.0, 100.0, 7200.0, 60)
    stage = Stage(tmp_path / "a", {3: {}, 5: {}})
    spec: ArraySpec = stage.spec()
    state = TaskState.begin(spec, "base-", task_try(1).try_number, stage, times, limit=None, shared=True)
    state.times.element_s[3] = 40.0
    state.save()
    assert TaskState.load(state.path).times == JobTimes({3: 40.0, 5: 20.0}, 5.0, 100.0, 7200.0, 60)
