"""What is said while arrays run, and what ends the wait."""

from __future__ import annotations

import datetime as dt

import pytest
from airflow_slurm.array import ArrayHandle, ArraySpec, JobState, JobStatus
from airflow_slurm.watch import Event, Watched, Watcher, describe_job

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ARRAY = Watched(ArrayHandle("t", "7", 3), elements=(2, 2, 1))
PENDING, RUNNING = JobStatus(JobState.PENDING), JobStatus(JobState.RUNNING)
HELD = JobStatus(JobState.PENDING, reason="JobHeldUser: held", stuck=True, job_id="7_2")
DONE = JobStatus(JobState.COMPLETED, exit_code=0)


class Lines(list):
    """A log."""

    def info(self, text, *values):
        self.append(text % values)

    warning = error = info


@pytest.fixture
def log():
    return Lines()


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def test_counts_of_elements_are_said_when_they_change(log):
    watcher = Watcher("it", [ARRAY], log)
    for second, jobs in enumerate([(PENDING, PENDING, PENDING), (RUNNING, PENDING, PENDING), (RUNNING, RUNNING, DONE)]):
        assert watcher.see({"t": dict(enumerate(jobs))}, at(3 * second)) is None
    assert log == ["it: 5 pending", "it: 1 completed, 4 running"]  # a line each five seconds at most
    assert watcher.see({"t": dict.fromkeys(range(3), DONE)}, at(7)) == Event.ENDED
    assert log[-1] == "it: 5 completed"


def test_why_everything_waits_is_said(log):
    watcher = Watcher("it", [ARRAY], log)
    waits = JobStatus(JobState.PENDING, reason="PartitionDown: its partition is down")
    watcher.see({"t": dict.fromkeys(range(3), waits)}, at(0))
    watcher.see({"t": {0: RUNNING, 1: waits, 2: waits}}, at(10))
    assert log == ["it: 5 pending (PartitionDown: its partition is down)", "it: 2 running, 3 pending"]


def test_stuck_jobs_are_said_at_once_and_once(log):
    watcher = Watcher("it", [ARRAY], log, stuck_after_s=100)
    jobs = {"t": {0: RUNNING, 1: RUNNING, 2: HELD}}
    assert watcher.see(jobs, at(0)) is None
    assert watcher.see(jobs, at(1000)) is None, "others go on"
    assert [line for line in log if "held" in line] == [
        "it: 1 jobs will not start by themselves (7_2): JobHeldUser: held"
    ]
    left = {"t": {0: DONE, 1: DONE, 2: HELD}}
    assert watcher.see(left, at(2000)) is None
    assert watcher.stuck_since_utc == at(2000)
    assert watcher.see(left, at(2099)) is None
    assert watcher.see(left, at(2100)) == Event.STUCK


def test_patience_begins_anew_when_it_goes_on(log):
    watcher = Watcher("it", [ARRAY], log, stuck_after_s=100)
    stuck = {"t": {0: DONE, 1: DONE, 2: HELD}}
    assert watcher.see(stuck, at(0)) is None
    assert watcher.see({"t": {0: DONE, 1: DONE, 2: RUNNING}}, at(90)) is None
    assert watcher.see(stuck, at(110)) is None
    assert watcher.see(stuck, at(211)) == Event.STUCK
    watcher.stuck_after_s = None
    assert watcher.see(stuck, at(1e6)) is None


def test_the_deadline_ends_the_wait_but_not_before_the_end_of_the_work(log):
    watcher = Watcher("it", [ARRAY], log, deadline_utc=at(10))
    jobs = {"t": {0: DONE, 1: DONE, 2: RUNNING}}
    assert watcher.see(jobs, at(9)) is None
    assert watcher.see(jobs, at(10)) == Event.TIMEOUT
    assert watcher.see({"t": dict.fromkeys(range(3), DONE)}, at(11)) == Event.ENDED


def test_a_job_is_described_for_a_catalog(tmp_path):
    spec = ArraySpec("stage", "t", ("do",), ((3, 5), (7,)), tmp_path, attempt=2)
    status = JobStatus(
        JobState.TIMEOUT, submitted_utc=at(0), started_utc=at(30), ended_utc=at(90), node="n1", max_rss_mb=12.5
    )
    job = describe_job(spec, 1, status)
    assert (job["elements"], job["state"], job["queue_wait_s"], job["elapsed_s"]) == ([7], "TIMEOUT", 30, 60)
    assert (job["attempt"], job["node"], job["max_rss_mb"], job["exit_code"]) == (2, "n1", 12.5, None)
    assert describe_job(spec, 0, JobStatus(JobState.CANCELLED))["elapsed_s"] is None
