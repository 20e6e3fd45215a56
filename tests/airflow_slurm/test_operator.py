"""The operator, run by Airflow itself."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import pytest
from airflow_slurm.local import LocalBackend
from airflow_slurm.repair import RepairPolicy
from airflow_slurm.slurm import SlurmBackend
from dag_runs import run_stage
from small_arrays import Outcome, Stage, alive, wait_for

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def local(tmp_path):
    """Two processes at a time on this machine."""
    return lambda: LocalBackend(tmp_path / "state", 2, grace_s=0.3)


@pytest.fixture
def through_ssh(cluster_through_ssh):
    """A cluster, through SSH."""
    return SlurmBackend.from_connection


@pytest.fixture(params=["local", "through_ssh"])
def run(request):
    """Run a stage as the only task of a DAG; return the state of its last try and its result."""
    return partial(run_stage, request.node.originalname, backend=request.getfixturevalue(request.param))


@pytest.fixture
def run_local(request, local):
    """The same on this machine alone."""
    return partial(run_stage, request.node.name, backend=local)


def test_all_elements_become_done(run, tmp_path, capfd):
    stage = Stage(tmp_path / "a", {index: {} for index in range(4)}, total=10, per_job=2)
    state, result = run(stage)
    assert state == "success"
    assert result["counts"] == {"done": 4}
    assert (result["valid_before"], result["attempts"], result["failures"]) == (6, 1, [])
    assert "calibrate test_all_elements_become_done: 4 completed" in capfd.readouterr().out


def test_nothing_to_do(run, tmp_path, capfd):
    state, result = run(Stage(tmp_path / "a", {}, total=12))
    assert (state, result["counts"], result["valid_before"]) == ("success", {}, 12)
    assert "nothing to do, all 12 elements valid" in capfd.readouterr().out
    assert run(Stage(tmp_path / "b", {}), array=lambda title: None)[0] == "success"


def test_a_killed_job_is_tried_again_alone(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {}, 1: {"killed": 1}, 2: {}, 3: {}}, per_job=2)
    state, result = run(stage)
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 4}, 2)
    assert [stage.tries(index) for index in range(4)] == [[1], [1, 2], [1], [1]]


def test_a_job_that_ends_well_without_a_record_has_done_nothing(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"leaves": 2}})
    state, result = run(stage)
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 1}, 3)


def test_skipped_and_held_elements_are_not_tried_again(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"state": "skipped"}, 1: {"state": "held"}, 2: {}})
    state, result = run(stage)
    assert (state, result["counts"]) == ("success", {"skipped": 1, "held": 1, "done": 1})
    assert result["attempts"] == 1


def test_some_failed_elements_are_a_loss_that_is_told(run, tmp_path, capfd):
    stage = Stage(tmp_path / "a", {0: {}, 1: {"failed": 9, "reason": "truncated file"}})
    state, result = run(stage)
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 1, "failed": 1}, 3)
    assert result["failures"] == [{"element": "element 1", "reason": "truncated file"}]
    log = capfd.readouterr().out
    assert "element 1: truncated file" in log
    assert "element 1 attempt 3" in log  # the end of its job's log


def test_an_element_without_a_record_is_a_loss_that_is_told_too(run, tmp_path, capfd):
    stage = Stage(tmp_path / "a", {0: {}, 1: {"killed": 9}})
    state, result = run(stage, repair=RepairPolicy(repairs=1))
    assert (state, result["counts"]) == ("success", {"done": 1, "lost": 1})
    assert stage.tries(1) == [1, 2]
    assert "no valid record; its job ended FAILED (killed by SIGKILL" in capfd.readouterr().out


def test_a_stage_without_any_record_fails_the_task(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"killed": 9}, 1: {"killed": 9}})
    assert run(stage, repair=RepairPolicy(repairs=0))[0] == "failed"


def test_all_failed_elements_fail_the_task(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"failed": 9}, 1: {"failed": 9}})
    assert run(stage, repair=RepairPolicy(repairs=0))[0] == "failed"
    assert stage.tries(0) == [1]


def test_what_was_valid_before_counts_as_well(run, tmp_path):
    stage = Stage(tmp_path / "a", {1: {"failed": 9}}, total=2)
    outcomes = lambda title: {0: Outcome("done"), **stage.outcomes()}  # noqa: E731
    assert run(stage, outcomes=outcomes, repair=RepairPolicy(repairs=0))[0] == "success"


def test_a_stage_can_ask_for_all_elements(run, tmp_path):
    stage = Stage(tmp_path / "a", {0: {}, 1: {"failed": 9}})
    assert run(stage, fail_on="any", repair=RepairPolicy(repairs=0))[0] == "failed"


def test_memory_and_time_grow_after_they_were_exceeded(run_local, tmp_path, capfd):
    plan = {0: {"memory_until": 2, "sleep": 2}, 1: {"slow_until": 1}}
    stage = Stage(tmp_path / "a", plan, memory_mb=150, time_s=4)
    state, result = run_local(stage, repair=RepairPolicy(repairs=1, memory_factor=4))
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 2}, 2)
    log = capfd.readouterr().out
    assert "for 1 elements without success (OUT_OF_MEMORY), 600 MB and 4 s each job" in log
    assert "for 1 elements without success (TIMEOUT), 150 MB and 8 s each job" in log


def test_the_task_tells_how_far_it_is(run_local, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("airflow_slurm.watch.LOG_INTERVAL_S", 0.0)
    run_local(Stage(tmp_path / "a", {index: {"sleep": 0.3} for index in range(3)}))
    log = capfd.readouterr().out
    assert ": 2 running, 1 pending" in log
    assert ": 3 completed" in log


def test_ending_the_task_ends_its_jobs(run, tmp_path, capfd):
    stage = Stage(tmp_path / "a", {index: {"sleep": 60} for index in range(3)})

    def end_it():
        wait_for(lambda: len(alive(str(stage.folder))) >= 2)
        os.kill(os.getpid(), signal.SIGTERM)  # what Airflow's supervisor sends

    before = signal.getsignal(signal.SIGTERM)
    killer = threading.Thread(target=end_it)
    killer.start()
    try:
        assert run(stage)[0] == "failed"
    finally:
        killer.join()
        signal.signal(signal.SIGTERM, before)
    assert not alive(str(stage.folder))
    assert "the task was ended from outside" in capfd.readouterr().out
