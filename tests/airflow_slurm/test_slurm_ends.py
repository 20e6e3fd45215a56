"""How jobs end and why they wait, on real clusters: state, exit code or signal, and what a person is told.

What SLURM needs long for (30 s until it notices a time limit, as long for a dead node, up to 60 s until it forgets a
job) is started when the first test of this file runs, and looked at by the last ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from airflow_slurm.array import ArrayHandle, JobState, Placement
from airflow_slurm.errors import RejectedError
from airflow_slurm.private_cluster import PrivateCluster
from airflow_slurm.slurm import SlurmBackend
from slurm_backends import make_backend, running, shell_array, to_the_end, wait_for

NOT_N3 = Placement(exclude=("n3",))
ONLY_N3 = Placement(exclude=("n1", "n2"))


@pytest.fixture(scope="module")
def rough_cluster(tmp_path_factory) -> Iterator[PrivateCluster]:
    """A cluster with accounting that loses patience soon, and forgets soon; the third node is going to die."""
    options = {
        "SlurmdTimeout": "5",
        "MinJobAge": "2",
        "JobAcctGatherParams": "OverMemoryKill",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
    }
    partitions = {
        "low": "Default=YES PriorityTier=1 PreemptMode=REQUEUE",
        "weak": "PriorityTier=1 PreemptMode=CANCEL",
        "high": "PriorityTier=9",
    }
    folder = tmp_path_factory.mktemp("rough")
    with PrivateCluster(folder, nodes=3, cpus=8, accounting=True, options=options, partitions=partitions) as running:
        yield running


@dataclass
class Slow:
    """What takes long."""

    backend: SlurmBackend
    requeueing: SlurmBackend
    late: ArrayHandle
    on_dead_node: ArrayHandle
    requeued: ArrayHandle
    forgotten: ArrayHandle


@pytest.fixture(scope="module", autouse=True)
def slow(rough_cluster, tmp_path_factory) -> Slow:
    """Start it."""
    folder = tmp_path_factory.mktemp("slow")
    backend = make_backend(rough_cluster, folder, placement=NOT_N3)
    doomed = make_backend(rough_cluster, folder / "doomed", placement=ONLY_N3)
    requeueing = make_backend(rough_cluster, folder / "requeue", placement=ONLY_N3, requeue=True)
    forgotten = backend.submit(shell_array(folder, "exit 0", "exit 7", "exit 200", "kill -KILL $$"))
    late = backend.submit(shell_array(folder, "sleep 300"))
    on_dead_node = doomed.submit(shell_array(folder, "sleep 300"))
    requeued = requeueing.submit(
        shell_array(folder, f"[ -e {folder}/second ] && exit 0; touch {folder}/second; sleep 300")
    )
    for handle in (late, on_dead_node, requeued):
        wait_for(backend, handle, running)
    to_the_end(backend, forgotten)
    rough_cluster.run("scontrol", "update", f"jobid={late.id}_0", "EndTime=now+1")
    rough_cluster.kill("slurmd", "n3")
    return Slow(backend, requeueing, late, on_dead_node, requeued, forgotten)


@pytest.fixture
def backend(cluster, tmp_path) -> SlurmBackend:
    """On the cluster that all tests share, which has no accounting."""
    return make_backend(cluster, tmp_path)


@pytest.fixture
def rough(rough_cluster, tmp_path) -> SlurmBackend:
    """On the cluster that is in a hurry."""
    return make_backend(rough_cluster, tmp_path, placement=NOT_N3)


def cancel(cluster: PrivateCluster, *arguments: str) -> None:
    """What somebody else does."""
    cluster.run("scancel", *arguments)


def test_exit_codes_and_signals(backend, tmp_path):
    lines = [
        "exit 0",
        "exit 7",
        "exit 128",
        "exit 200",
        "exit 255",
        "kill -KILL $$",
        "kill -SEGV $$",
        "no-such-program",
    ]
    jobs = to_the_end(backend, backend.submit(shell_array(tmp_path, *lines)))
    assert jobs[0].state == JobState.COMPLETED
    assert {job.state for number, job in jobs.items() if number} == {JobState.FAILED}
    assert [job.exit_code for job in jobs.values()] == [0, 7, 128, 200, 255, None, None, 127]
    assert [job.signal for job in jobs.values()] == [None] * 5 + [signal.SIGKILL, signal.SIGSEGV, None]
    assert [jobs[number].reason for number in (0, 3, 6)] == ["", "exit code 200", "killed by SIGSEGV"]
    assert "memory" in jobs[5].reason
    assert jobs[1].job_id.endswith("_1")
    assert jobs[1].node in ("n1", "n2")
    assert jobs[1].submitted_utc <= jobs[1].started_utc <= jobs[1].ended_utc
    assert abs(jobs[1].ended_utc.timestamp() - time.time()) < 30


def test_cancelled_by_somebody_else_while_it_runs_and_while_it_waits(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "sleep 60", "sleep 60", max_parallel=1))
    wait_for(backend, handle, lambda jobs: jobs[0].state == JobState.RUNNING)
    assert backend.poll(handle)[1].reason.startswith("JobArrayTaskLimit: ")
    cancel(cluster, handle.id)
    jobs = to_the_end(backend, handle)
    assert [(job.state, job.exit_code, job.signal) for job in jobs.values()] == [(JobState.CANCELLED, None, None)] * 2
    assert jobs[0].reason == "cancelled"


def test_a_whole_array_cancelled_before_it_starts(backend, cluster, tmp_path):
    placement = Placement(partition="short")
    handle = backend.submit(shell_array(tmp_path, *["sleep 60"] * 3, time_s=7200, placement=placement))
    wait_for(backend, handle, lambda jobs: all(job.stuck for job in jobs.values()))
    cancel(cluster, handle.id)
    jobs = to_the_end(backend, handle)
    assert {job.state for job in jobs.values()} == {JobState.CANCELLED}


def test_a_waiting_job_that_is_cancelled_alone_vanishes(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, *["sleep 20"] * 3, max_parallel=1))
    wait_for(backend, handle, lambda jobs: jobs[0].state == JobState.RUNNING)
    cancel(cluster, f"{handle.id}_1")
    began = time.monotonic()
    jobs = wait_for(backend, handle, lambda jobs: jobs[1].state.final)
    assert time.monotonic() - began >= backend.view.lost_after_s
    assert jobs[1].state == JobState.CANCELLED
    assert jobs[1].reason == "cancelled by somebody while it waited"
    assert jobs[1].job_id == f"{handle.id}_1"
    assert (jobs[0].state, jobs[2].state) == (JobState.RUNNING, JobState.PENDING)
    backend.cancel(handle)


def test_a_dependency_that_will_never_be_fulfilled(backend, cluster, tmp_path):
    failed = backend.submit(shell_array(tmp_path, "exit 1"))
    to_the_end(backend, failed)
    handle = held(backend, cluster, tmp_path)
    cluster.run("scontrol", "update", f"jobid={handle.id}", f"Dependency=afterok:{failed.id}")
    cluster.run("scontrol", "release", handle.id)
    job = wait_for(backend, handle, lambda jobs: jobs[0].stuck and not jobs[0].reason.startswith("JobHeld"))[0]
    assert job.state == JobState.PENDING
    assert job.reason == "DependencyNeverSatisfied: it depends on a job that will never end as demanded; cancel it"
    backend.cancel(handle)


@pytest.mark.parametrize("much", [{"time_s": 7200}, {"cpus": 100}])
def test_more_than_the_partition_allows(backend, tmp_path, much):
    handle = backend.submit(shell_array(tmp_path, "sleep 60", placement=Placement(partition="short"), **much))
    job = wait_for(backend, handle, lambda jobs: jobs[0].stuck)[0]
    reason, _, advice = job.reason.partition(": ")
    assert job.state == JobState.PENDING
    assert reason in ("PartitionTimeLimit", "PartitionConfig")  # SLURM itself is not sure
    assert "partition" in advice
    backend.cancel(handle)


def held(backend: SlurmBackend, cluster: PrivateCluster, folder: Path) -> ArrayHandle:
    """An array that was held before it could start."""
    spec = shell_array(folder, "sleep 60", placement=Placement(nice=1000), cpus=8)
    blocker = backend.submit(shell_array(folder, "sleep 60", "sleep 60", cpus=8))
    wait_for(backend, blocker, running)
    handle = backend.submit(spec)
    cluster.run("scontrol", "hold", handle.id)
    backend.cancel(blocker)
    return handle


def test_held(backend, cluster, tmp_path):
    handle = held(backend, cluster, tmp_path)
    job = wait_for(backend, handle, lambda jobs: jobs[0].stuck)[0]
    # Root's holds are an administrator's.
    who = "Admin" if os.getuid() == 0 else "User"
    assert job.reason.startswith(f"JobHeld{who}: held by a")
    cluster.run("scontrol", "release", handle.id)
    cluster.run("scontrol", "uhold", handle.id)
    job = wait_for(backend, handle, lambda jobs: jobs[0].stuck and "JobHeldUser" in jobs[0].reason)[0]
    assert "`scontrol release` lets it go" in job.reason
    cluster.run("scontrol", "release", handle.id)
    assert not wait_for(backend, handle, running)[0].stuck
    backend.cancel(handle)


def test_a_log_folder_that_is_not_there(backend, tmp_path):
    spec = shell_array(tmp_path, "sleep 2", "exit 0", max_parallel=1)
    handle = backend.submit(spec)
    wait_for(backend, handle, lambda jobs: jobs[0].state == JobState.RUNNING)
    spec.log_folder.rename(tmp_path / "elsewhere")
    job = to_the_end(backend, handle)[1]
    assert (job.state, job.exit_code) == (JobState.FAILED, None)
    assert "its log folder is not there" in job.reason


def test_what_no_node_can_do_is_refused_and_leaves_nothing(backend, cluster, tmp_path):
    spec = shell_array(tmp_path, "exit 0", placement=Placement(constraint="submarine"))
    with pytest.raises(RejectedError, match="Invalid feature"):
        backend.submit(spec)
    assert backend.find(spec.token) is None
    spec = shell_array(tmp_path, "exit 0", memory_mb=10**9)
    with pytest.raises(RejectedError, match=r"Memory specification can not be satisfied.*change what it asks for"):
        backend.submit(spec)
    left = cluster.run("squeue", "-h", "-t", "all", "-n", spec.token, "-O", "State:|,Reason:|")
    assert left.startswith("FAILED|BadConstraints|")  # SLURM's own way: a row of a job that was refused
    assert backend.find(spec.token) is None
    assert backend.find_tries(spec.token) == ()


def test_a_partition_that_does_not_exist(backend, tmp_path):
    with pytest.raises(RejectedError, match="invalid partition specified: nowhere"):
        backend.submit(shell_array(tmp_path, "exit 0", placement=Placement(partition="nowhere")))


def test_the_controller_goes_down_and_comes_back(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "exit 3", "sleep 4", "sleep 300"))
    before = wait_for(backend, handle, lambda jobs: jobs[0].state.final and running({1: jobs[1], 2: jobs[2]}))
    # Killed with SIGKILL it would forget the last seconds; this array among them.
    cluster.kill("slurmctld", signal=signal.SIGTERM)
    while backend.view.look().answered:
        time.sleep(0.05)
    assert backend.poll(handle) == before
    snapshot = backend.view.look()
    assert snapshot.error
    assert 0 < time.time() - snapshot.taken_utc.timestamp() < 30
    asked = backend.client.calls.total()
    time.sleep(1.5)
    backend.view.look()
    assert backend.client.calls.total() - asked <= 2  # not five times a second any more
    cluster.start_daemon("slurmctld")
    jobs = wait_for(backend, handle, lambda jobs: jobs[1].state.final)
    assert [job.state for job in jobs.values()] == [JobState.FAILED, JobState.COMPLETED, JobState.RUNNING]
    assert backend.view.look().answered
    backend.cancel(handle)


def test_a_job_that_nobody_knows_is_lost_and_not_before_its_time(backend):
    handle = ArrayHandle("never-was", "99999", 2)
    began = time.monotonic()
    assert [job.state for job in backend.poll(handle).values()] == [JobState.PENDING] * 2
    job = to_the_end(backend, handle)[1]
    assert time.monotonic() - began >= backend.view.lost_after_s
    assert (job.state, job.job_id) == (JobState.LOST, "99999_1")
    assert job.reason == "the cluster does not know it any more"


def test_a_job_that_had_ended_does_not_run_again_behind_our_back(backend, cluster, tmp_path):
    """As after a controller that was killed and has gone back in time, or when an administrator wants it again."""
    spec = shell_array(tmp_path, "[ -e second ] && sleep 60; touch second; exit 1")
    handle = backend.submit(spec)
    cluster.run("scontrol", "update", f"jobid={handle.id}_0", "Requeue=1")
    assert to_the_end(backend, handle)[0].exit_code == 1
    cluster.run("scontrol", "requeue", f"{handle.id}_0")
    cluster.run("scontrol", "update", f"jobid={handle.id}_0", "StartTime=now")
    deadline = time.monotonic() + 10
    while backend.client.our_jobs("airflow") and time.monotonic() < deadline:
        assert backend.poll(handle)[0].state == JobState.FAILED
        time.sleep(0.1)
    assert backend.client.our_jobs("airflow") == ()


def test_memory_where_the_kernel_keeps_the_limit(tmp_path):
    """With cgroups where this machine allows it; `OverMemoryKill` is the next test."""
    if os.getuid() != 0 or not Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        pytest.skip("needs root and cgroup v1")
    with PrivateCluster(tmp_path / "cluster", nodes=1, options={"TaskPlugin": "task/cgroup"}) as cluster:
        backend = make_backend(cluster, tmp_path)
        # It ends well although what it has started was killed.
        line = "python3 -c 'block = bytearray(300_000_000)'; exit 0"
        job = to_the_end(backend, backend.submit(shell_array(tmp_path, line)))[0]
    assert (job.state, job.exit_code, job.signal) == (JobState.OUT_OF_MEMORY, None, None)
    assert job.reason == "it used more memory than its limit"


def test_memory_where_slurm_looks_now_and_then(rough, tmp_path):
    handle = rough.submit(
        shell_array(tmp_path, "exec python3 -c 'import time; b = bytearray(300_000_000); time.sleep(30)'")
    )
    job = to_the_end(rough, handle)[0]
    # SLURM does not say that it was for the memory.
    assert (job.state, job.signal) == (JobState.FAILED, signal.SIGKILL)
    assert "memory" in job.reason
    assert "exceeded memory limit" in (tmp_path / "logs" / f"{handle.token}.slurm").read_text().lower()


def test_preempted(rough, rough_cluster, tmp_path):
    requeueing = make_backend(rough_cluster, tmp_path, placement=NOT_N3, requeue=True)
    low = requeueing.submit(
        shell_array(tmp_path, "sleep 1", cpus=8, placement=Placement(partition="low", exclude=("n2",)))
    )
    weak = rough.submit(
        shell_array(tmp_path, "sleep 60", cpus=8, placement=Placement(partition="weak", exclude=("n1",)))
    )
    wait_for(rough, low, running)
    wait_for(rough, weak, running)
    high = rough.submit(shell_array(tmp_path, "sleep 1", "sleep 1", cpus=8, placement=Placement(partition="high")))
    job = to_the_end(rough, weak)[0]
    assert (job.state, job.exit_code, job.signal) == (JobState.PREEMPTED, None, None)
    assert job.reason == "a job of higher priority took its place"

    def waits_again(jobs):  # its restart is counted a little before its state changes, and the reason comes last
        return jobs[0].restarts == 1 and jobs[0].state == JobState.PENDING and jobs[0].reason

    job = wait_for(requeueing, low, waits_again)[0]
    assert not job.stuck
    assert job.reason.startswith("BeginTime: ")
    rough_cluster.run("scontrol", "update", f"jobid={low.id}_0", "StartTime=now")
    assert {job.state for job in to_the_end(rough, high).values()} == {JobState.COMPLETED}
    job = to_the_end(requeueing, low)[0]
    assert (job.state, job.restarts) == (JobState.COMPLETED, 1)


def test_accounting_adds_memory_and_node(rough, tmp_path):
    line = "exec python3 -c 'import time; b = bytearray(50_000_000); time.sleep(2.5)'"
    handle = rough.submit(shell_array(tmp_path, line, "exit 200"))
    to_the_end(rough, handle)
    deadline = time.monotonic() + 20
    while (jobs := rough.account(handle))[0].max_rss_mb is None:  # accounting is some seconds late
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert 50 < jobs[0].max_rss_mb < 200
    assert jobs[0].node in ("n1", "n2")
    assert (jobs[1].state, jobs[1].exit_code) == (JobState.FAILED, 200)  # not 72, as accounting has it


def test_a_time_limit(slow):
    job = to_the_end(slow.backend, slow.late, 60)[0]
    assert (job.state, job.exit_code, job.signal) == (JobState.TIMEOUT, None, None)
    assert job.reason == "it ran longer than its time limit"


def test_a_dead_node_ends_its_job(slow):
    job = to_the_end(slow.backend, slow.on_dead_node, 60)[0]
    assert (job.state, job.exit_code, job.signal, job.node) == (JobState.NODE_FAIL, None, None, "n3")
    assert job.reason == "its node n3 failed"


def test_a_dead_node_where_jobs_start_anew(slow, rough_cluster):
    job = wait_for(slow.requeueing, slow.requeued, lambda jobs: jobs[0].restarts == 1, 60)[0]
    assert job.state == JobState.PENDING
    # Elsewhere, as a dead node is not there; on the same one it would meet what it left behind.
    rough_cluster.run("scontrol", "update", f"jobid={slow.requeued.id}_0", "StartTime=now", "ExcNodeList=n3")
    job = to_the_end(slow.requeueing, slow.requeued)[0]
    assert (job.state, job.restarts) == (JobState.COMPLETED, 1)


def test_jobs_that_the_controller_has_forgotten(slow, rough_cluster, tmp_path):
    handle = slow.forgotten
    asked = ["squeue", "--jobs", handle.id, "--states=all"]
    deadline = time.monotonic() + 90
    while (
        "Invalid job id"
        not in subprocess.run(asked, env=rough_cluster.environment, capture_output=True, text=True, check=False).stderr
    ):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    # Whoever has seen the ends knows them for good, other processes with the same view as well.
    assert [job.exit_code for job in slow.backend.poll(handle).values()] == [0, 7, 200, None]
    # Who comes too late has to ask accounting. While that does not answer, nothing is lost.
    late = make_backend(rough_cluster, tmp_path, lost_after_s=1.5)
    rough_cluster.kill("slurmdbd")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert {job.state for job in late.poll(handle).values()} == {JobState.PENDING}
        time.sleep(0.2)
    assert late.client.calls["sacct"] > 0
    rough_cluster.start_daemon("slurmdbd")
    jobs = to_the_end(late, handle)
    assert [job.state for job in jobs.values()] == [JobState.COMPLETED] + [JobState.FAILED] * 3
    assert [job.exit_code for job in jobs.values()] == [0, None, None, None]
    assert [jobs[number].reason for number in (1, 2)] == ["exit code 7 or 135", "exit code 72 or 200"]
    assert jobs[3].signal == signal.SIGKILL


def test_submitting_and_watching_without_the_accounting_daemon(rough, rough_cluster, tmp_path):
    rough_cluster.kill("slurmdbd")
    try:
        handle = rough.submit(shell_array(tmp_path, "exit 7"))
        to_the_end(rough, handle)
        assert rough.account(handle)[0].exit_code == 7
    finally:
        rough_cluster.start_daemon("slurmdbd")
