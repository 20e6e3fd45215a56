"""Reading recorded answers of SLURM 22.05."""

from __future__ import annotations

import datetime as dt

import pytest
from airflow_slurm.array import ArrayHandle, JobState
from airflow_slurm.parsing import (
    QUEUE_FORMAT,
    Mark,
    QueueRow,
    array_parts,
    first_jobs,
    jobs_of,
    parse_accounting,
    parse_queue,
    parse_settings,
)
from airflow_slurm.reasons import state_of, waiting

# squeue --noheader --array --states=all --me --Format=...
QUEUE = """\
14|2|PENDING|JobArrayTaskLimit|0|0|2026-11-22T10:13:00|N/A|N/A||can|airflow|6|0|6|dag/run/task|
14|0|RUNNING|None|0|0|2026-11-22T10:13:00|2026-11-22T10:13:01|2026-11-22T11:13:01|n1|can|airflow|6|0|6|dag/run/task|
14|1|FAILED|NonZeroExitCode|51200|0|2026-11-22T10:13:00|2026-11-22T10:13:01|2026-11-22T10:13:02|n1|can|airflow|6|0|6|dag/run/task|
14|3|FAILED|JobLaunchFailure|11|0|2026-11-22T10:13:00|2026-11-22T10:13:01|2026-11-22T10:13:02|n1|can|airflow|6|0|6|dag/run/task|
14|4|TIMEOUT|TimeLimit|15|0|2026-11-22T10:13:00|2026-11-22T10:13:01|2026-11-22T10:13:02|n1|can|airflow|6|0|6|dag/run/task|
14|5|COMPLETING|None|0|2|2026-11-22T10:13:00|2026-11-22T10:13:01|2026-11-22T10:13:02|n1|can|airflow|6|0|6|dag/run/task|
17|N/A|CANCELLED|None|0|0|2026-11-22T10:13:05|N/A|2026-11-22T10:13:06||can2|airflow|3|0|3||
18|N/A|RUNNING|None|0|0|2026-11-22T10:13:05|2026-11-22T10:13:06|2026-11-22T11:13:06|n1|somebody's|a comment
with a line end|
19|N/A|FAILED|BadConstraints|1|0|2026-11-22T10:13:05|2026-11-22T10:13:05|2026-11-22T10:13:05||can3|airflow|1|0|1||
"""

# sacct --noheader --parsable2 --noconvert --format=JobID,JobName,State,ExitCode,Submit,Start,End,NodeList,MaxRSS
ACCOUNTS = """\
1_0|t-1|COMPLETED|0:0|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:27|n1|
1_0.batch|batch|COMPLETED|0:0|2026-11-22T10:30:24|2026-11-22T10:30:24|2026-11-22T10:30:27|n1|56320K
1_1|t-1|FAILED|72:0|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:25|n1|
1_2|t-1|FAILED|0:0|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:25|n1|
1_3|t-1|FAILED|0:9|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:25|n1|
1_4|t-1|CANCELLED by 0|0:0|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:25|n1|
1_5|t-1|OUT_OF_MEMORY|0:125|2026-11-22T10:30:23|2026-11-22T10:30:24|2026-11-22T10:30:25|n1|
1_[6-8,11%2]|t-1|CANCELLED by 1000|0:0|2026-11-22T10:30:23|2026-11-22T10:30:25|2026-11-22T10:30:25|None assigned|
2|alone|RUNNING|0:0|2026-11-22T10:30:23|2026-11-22T10:30:24|Unknown|n1|
"""


def test_rows_of_squeue():
    rows = parse_queue(QUEUE)
    assert [row.name for row in rows] == ["can"] * 6 + ["can2", "somebody's", "can3"]
    assert QUEUE_FORMAT.count("|") == len(QueueRow._fields)
    jobs = jobs_of(row for row in rows if row.name == "can")
    states = {number: row.status for number, row in jobs.items()}
    assert [states[number].state for number in range(6)] == [
        JobState.RUNNING, JobState.FAILED, JobState.PENDING, JobState.FAILED, JobState.TIMEOUT, JobState.RUNNING,
    ]  # fmt: skip
    assert [(states[number].exit_code, states[number].signal) for number in (1, 3, 4)] == [
        (200, None),
        (None, 11),
        (None, None),
    ]
    assert states[1].ended_utc == dt.datetime(2026, 11, 22, 10, 13, 2, tzinfo=dt.UTC)
    assert (states[0].ended_utc, states[2].started_utc) == (None, None)  # what squeue shows there are guesses
    assert (states[5].restarts, states[5].reason, states[3].job_id) == (2, "completing", "14_3")


def test_a_row_for_a_whole_array_stands_for_all_its_jobs():
    jobs = jobs_of(row for row in parse_queue(QUEUE) if row.name == "can2")
    assert {number: row.state for number, row in jobs.items()} == dict.fromkeys(range(3), JobState.CANCELLED)


def test_a_row_that_a_refused_request_left_is_no_job():
    assert jobs_of(row for row in parse_queue(QUEUE) if row.name == "can3") == {}


def test_parts_of_an_array_and_the_array_that_came_first():
    def row(array_id: int, task: int, first: int, comment: str = "") -> QueueRow:
        mark = comment or str(Mark("airflow", 5, first, 3 if first == 0 else 2, "o"))
        return QueueRow(str(array_id), str(task), "RUNNING", "None", "0", "0", "", "", "", "", "t", mark)

    rows = [row(9, 0, 3), row(9, 1, 3), row(7, 0, 0), row(7, 2, 0), row(12, 0, 0)]
    assert {number: row.job_id for number, row in jobs_of(rows).items()} == {0: "7_0", 2: "7_2", 3: "9_0", 4: "9_1"}
    changed = [row(9, 1, 3, "changed"), row(7, 1, 0, "changed"), row(99, 0, 0, "changed")]
    handle = ArrayHandle("t", "7,9", 5)
    assert {number: row.job_id for number, row in jobs_of(changed, handle).items()} == {1: "7_1", 4: "9_1"}


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (10, 10), (11, 10), (25, 10), (2001, 1001), (7, 2), (100, 33)])
def test_the_parts_of_an_array_can_be_told_from_their_number(jobs, most):
    parts = array_parts(jobs, most)
    assert [number for first, count in parts for number in range(first, first + count)] == list(range(jobs))
    assert max(count for _, count in parts) <= most
    assert len(parts) == -(-jobs // most)
    handle = ArrayHandle("t", ",".join(str(number) for number in range(len(parts))), jobs)
    assert list(first_jobs(handle).values()) == parts


def test_accounts():
    rows = parse_accounting(ACCOUNTS)
    assert [row.tasks for row in rows] == [(0,), (0,), (1,), (2,), (3,), (4,), (5,), (6, 7, 8, 11), ()]
    assert [row.step for row in rows][:2] == ["", "batch"]
    assert rows[1].status.max_rss_mb == 57.7
    seen = [(row.status.state, row.status.exit_code, row.status.signal, row.status.reason) for row in rows]
    assert seen[2] == (JobState.FAILED, None, None, "exit code 72 or 200")
    assert seen[3] == (JobState.FAILED, None, None, "exit code 128, or it could not be started")
    assert seen[4][:3] == (JobState.FAILED, None, 9)
    assert seen[5] == (JobState.CANCELLED, None, None, "cancelled by the user with the id 0")
    assert seen[6][:3] == (JobState.OUT_OF_MEMORY, None, None)
    assert (rows[7].status.node, rows[8].status.ended_utc) == ("", None)


def test_settings():
    text = "Configuration data as of 2026\nMaxArraySize        = 1001\nMinJobAge = 300 sec\n\nSlurmctld at x is UP\n"
    assert parse_settings(text) == {"MaxArraySize": "1001", "MinJobAge": "300 sec"}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETING", "RUNNING"), ("SUSPENDED", "RUNNING"), ("CONFIGURING", "RUNNING"), ("REQUEUED", "PENDING"),
        ("REQUEUE_HOLD", "PENDING"), ("BOOT_FAIL", "NODE_FAIL"), ("DEADLINE", "TIMEOUT"), ("REVOKED", "CANCELLED"),
        ("CANCELLED by 1000", "CANCELLED"), ("CANCELLED+", "CANCELLED"), ("SOMETHING_NEW", "RUNNING"), ("", "RUNNING"),
    ],
)  # fmt: skip
def test_states(word, state):
    assert state_of(word) == JobState(state)


@pytest.mark.parametrize(
    ("reason", "stuck"),
    [
        ("Resources", False), ("Priority", False), ("None", False), ("BeginTime", False),
        ("QOSMaxJobsPerUserLimit", False),
        ("AssocGrpCpuLimit", False), ("PartitionDown", False), ("JobArrayTaskLimit", False),
        ("JobHeldAdmin", True), ("JobHeldUser", True), ("DependencyNeverSatisfied", True), ("PartitionTimeLimit", True),
        ("PartitionConfig", True), ("InvalidAccount", True), ("InvalidQOS", True), ("QOSMaxMemoryPerJob", True),
        ("AssocMaxCpuPerJobLimit", True), ("QOSMinCpuNotSatisfied", True), ("ReservationDeleted", True),
        ("AccountNotAllowed", True), ("QOSNotAllowed", True), ("MaxMemPerLimit", True),
    ],
)  # fmt: skip
def test_reasons_that_will_not_pass(reason, stuck):
    text, is_stuck = waiting("PENDING", reason)
    assert is_stuck == stuck
    if stuck:
        assert text.startswith(f"{reason}: ")
        assert len(text) > len(reason) + 20
