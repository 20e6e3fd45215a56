"""One look at a cluster for all processes of a machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest
from airflow_slurm.array import ArrayHandle, JobState
from airflow_slurm.client import SlurmClient
from airflow_slurm.cluster_view import ClusterView
from airflow_slurm.errors import NoAnswerError
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.transport import CommandTransport
from slurm_backends import make_backend, running, shell_array, to_the_end, wait_for

# Polls for some seconds as a task or a triggerer does; says how often it asked the cluster, and what it saw.
POLLER = """
import json, sys, time
from pathlib import Path
from airflow_slurm.array import ArrayHandle
from airflow_slurm.cluster_view import ClusterView
from airflow_slurm.client import SlurmClient
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.transport import CommandTransport

conf, folder, handles, begin, seconds = sys.argv[1:]
client = SlurmClient(CommandTransport(conf))
backend = SlurmBackend(client, ClusterView(client, Path(folder), 1.0))
handles = [ArrayHandle(*values) for values in json.loads(handles)]
while time.time() < float(begin):
    time.sleep(0.001)
looks = 0
while time.time() < float(begin) + float(seconds):
    jobs = [backend.poll(handle) for handle in handles]
    looks += 1
    time.sleep(0.05)
print(json.dumps([client.calls, looks, [[str(job.state) for job in states.values()] for states in jobs]]))
"""


@pytest.fixture
def backend(cluster, tmp_path) -> SlurmBackend:
    """On the cluster that all tests share."""
    return make_backend(cluster, tmp_path)


def test_five_processes_ask_once_an_interval(backend, cluster, tmp_path):
    handles = [backend.submit(shell_array(tmp_path, *["sleep 60"] * 3)) for _ in range(4)]
    written = json.dumps([[handle.token, handle.id, handle.jobs] for handle in handles])
    begin, seconds = time.time() + 2, 4
    command = [
        sys.executable,
        "-c",
        POLLER,
        str(cluster.conf),
        str(tmp_path / "shared"),
        written,
        str(begin),
        str(seconds),
    ]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    calls, looks = Counter(), 0
    for process in processes:
        out, _ = process.communicate(timeout=60)
        called, looked, states = json.loads(out)
        calls += Counter(called)
        looks += looked
        assert {state for seen in states for state in seen} == {"RUNNING"}
    assert 2 <= calls["squeue"] <= seconds + 1
    assert looks > 3 * calls["squeue"]
    assert calls.total() == calls["squeue"]
    for handle in handles:
        backend.cancel(handle)


def test_a_snapshot_has_all_arrays_and_is_kept_for_an_interval(cluster, tmp_path):
    backend = make_backend(cluster, tmp_path, interval_s=60.0)
    first = backend.submit(shell_array(tmp_path, "sleep 60"))
    before = backend.view.look()
    assert before.answered
    assert before.error == ""
    assert abs(before.taken_utc.timestamp() - time.time()) < 10
    assert first.token in before.jobs
    assert first.token in set(before.jobs)
    assert len(before.jobs) >= 1
    second = backend.submit(shell_array(tmp_path, "sleep 60"))
    asked = backend.client.calls["squeue"]
    assert backend.view.look().taken_utc == before.taken_utc
    assert backend.view.look() is backend.view.look()  # and what was read of it is not read again
    assert "never-was" not in before.jobs
    # Not listed yet is not lost: it waits.
    status = backend.states(second, before)[0]
    assert (status.state, status.reason) == (JobState.PENDING, "submitted; the cluster has not listed it yet")
    assert backend.client.calls["squeue"] == asked
    for handle in (first, second):
        backend.cancel(handle)


def test_ends_are_known_to_those_who_come_later(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "exit 7", "kill -KILL $$"))
    seen = to_the_end(backend, handle)
    # Nobody answers any more: what is known was written down.
    client = SlurmClient(CommandTransport(bin_folder="/nowhere"))
    client.queue = client.ping = None  # whoever asks gets an error
    late = SlurmBackend(client, ClusterView(client, tmp_path / "view", 3600.0))
    assert late.poll(handle) == seen
    assert late.view.watched(handle.token) == handle
    late.forget(handle)
    assert late.view.watched(handle.token) is None
    assert handle.token not in late.view.look().jobs


def test_jobs_whose_comment_was_changed_are_still_ours(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "sleep 3; exit 4", "sleep 60"))
    wait_for(backend, handle, running)
    for job in (0, 1):
        cluster.run("scontrol", "update", f"jobid={handle.id}_{job}", "Comment=odd | comment")
    time.sleep(0.5)
    jobs = wait_for(backend, handle, lambda jobs: jobs[0].state.final)
    assert (jobs[0].exit_code, jobs[1].state) == (4, JobState.RUNNING)
    backend.cancel(handle)


def test_other_jobs_of_the_same_user_are_left_alone(backend, cluster, tmp_path):
    cluster.run("sbatch", "--job-name=somebody's | own", "--output=/dev/null", "--comment=a\nb", "--wrap", "sleep 60")
    other = make_backend(cluster, tmp_path / "other")
    other.view.installation = "another"
    theirs = other.submit(shell_array(tmp_path, "sleep 60"))
    ours = backend.submit(shell_array(tmp_path, "sleep 60"))
    wait_for(backend, ours, running)
    assert theirs.token not in backend.view.look().jobs
    assert "somebody" not in " ".join(backend.view.look().jobs)
    assert theirs.token not in {job.token for job in backend.client.our_jobs("airflow")}
    cluster.run("scancel", "--user", str(os.getuid()))


def test_after_failures_it_asks_less_and_less_often(tmp_path):
    client = SlurmClient(CommandTransport(bin_folder="/nowhere"))
    failures = []

    def fail(**_):
        failures.append(time.monotonic())
        raise NoAnswerError("nobody there")

    client.queue, client.ping = fail, lambda: True
    view = ClusterView(client, tmp_path, 0.1)
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        snapshot = view.look()
        time.sleep(0.01)
    assert (snapshot.answered, snapshot.error, snapshot.taken_utc.year) == (False, "nobody there", 1970)
    pauses = [round(later - earlier, 1) for earlier, later in pairwise(failures)]
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.15)


def test_a_folder_of_somebody_else_is_refused(cluster, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can give folders away")
    (tmp_path / "view").mkdir()
    os.chown(tmp_path / "view", 12345, 12345)
    with pytest.raises(PermissionError, match="name a folder of your own as state_folder"):
        make_backend(cluster, tmp_path)


def test_many_jobs_cost_one_call(cluster, tmp_path):
    backend = make_backend(cluster, tmp_path, interval_s=1.0)
    handle = backend.submit(shell_array(tmp_path, *["exit 0"] * 500, max_parallel=1))
    asked = backend.client.calls["squeue"]
    jobs = backend.poll(handle)
    assert len(jobs) == 500
    assert backend.client.calls["squeue"] - asked == 1
    backend.cancel(ArrayHandle(handle.token, handle.id, 500))
