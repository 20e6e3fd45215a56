"""Jobs that no task looks after, on a real cluster."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from airflow_slurm.array import JobState
from airflow_slurm.client import OurJob
from airflow_slurm.orphans import find_orphans, look_after_orphans
from airflow_slurm.slurm import SlurmBackend
from dag_runs import connection, queue
from slurm_fixtures import tidy
from small_arrays import Stage

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def job(owner: str, *, age_s: float = 3600, token: str = "t-1", number: int = 0) -> OurJob:
    return OurJob(f"7_{number}", token, owner, JobState.RUNNING, NOW - dt.timedelta(seconds=age_s))


def orphans_of(*jobs: OurJob, states=None):
    known = states or {}
    return find_orphans(jobs, lambda dag_id, run_id: known.get((dag_id, run_id), {}), grace_s=600, now=NOW)


@pytest.mark.parametrize("state", ["running", "deferred", "queued", "scheduled", "up_for_retry", "restarting", None])
def test_a_task_that_goes_on_or_will_looks_after_its_jobs(state):
    assert not orphans_of(job("dag/run/task/-1/1"), states={("dag", "run"): {"task": state}})


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "removed", "upstream_failed"])
def test_a_task_that_has_ended_does_not(state):
    (orphan,) = orphans_of(
        job("dag/run/task/3/1"), job("dag/run/task/3/1", number=1), states={("dag", "run"): {"task_3": state}}
    )
    assert (orphan.ids, orphan.jobs, orphan.certain) == (("7",), 2, True)
    assert state in str(orphan)


def test_a_task_that_is_not_known_any_more_does_not_either():
    assert "not know its task" in orphans_of(job("dag/run/task/-1/1"))[0].why
    assert orphans_of(job("dag/run/task/2/1"), states={("dag", "run"): {"task_1": "running"}})


def test_young_jobs_are_left_alone():
    assert not orphans_of(job("dag/run/task/-1/1", age_s=599))
    assert not orphans_of(job("dag/run/task/-1/1"), job("dag/run/task/-1/1", age_s=1))


def test_what_no_task_has_submitted_is_only_told():
    (orphan,) = orphans_of(job("somebody"))
    assert not orphan.certain


@pytest.fixture
def site(cluster, tmp_path, monkeypatch):
    """The cluster, with its connection."""
    values = {"installation": "orphans_test"}
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(cluster, tmp_path / "view", **values))
    yield cluster
    tidy(cluster)


def test_they_are_ended_by_policy_and_nothing_else_is(site, tmp_path, monkeypatch):
    backend = SlurmBackend.from_connection()
    stage = Stage(tmp_path / "a", {0: {"sleep": 60}, 1: {"sleep": 60}})
    for name, owner in (
        ("lost", "dag/over/task/-1/1"),
        ("wanted", "dag/on/task/-1/1"),
        ("unknown", "by hand"),
    ):
        backend.submit(stage.spec(name, owner=owner))
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(site, tmp_path / "other", installation="somebody_else"))
    SlurmBackend.from_connection().submit(stage.spec("of_others", owner="dag/over/task/-1/1"))
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(site, tmp_path / "view", installation="orphans_test"))
    states = {"over": {"task": "success"}, "on": {"task": "deferred"}}
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: {run_ids[0]: states[run_ids[0]]})

    lines = look_after_orphans("slurm_default", "report", 0, ti)
    assert [line.split()[0] for line in lines] == ["lost", "unknown"]
    assert len(queue(site)) == 8
    assert len(look_after_orphans("slurm_default", "report", 3600, ti)) == 0
    look_after_orphans("slurm_default", "cancel", 0, ti)
    assert set(queue(site)) == {"wanted", "unknown", "of_others"}
    with pytest.raises(ValueError, match="forget"):
        look_after_orphans("slurm_default", "forget", 0, ti)
