"""The back end through SSH: a real sshd on this machine, with keys of its own, run by the user who runs the tests."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import asyncssh
import pytest
from airflow_slurm.array import JobState, Placement
from airflow_slurm.errors import NoAnswerError, NotReachedError, RejectedError
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.ssh import SshTransport
from airflow_slurm.transport import Result
from slurm_backends import make_backend, running, shell_array, to_the_end, wait_for
from ssh_server import CutAfterwards, Server


@pytest.fixture
def transport(server, cluster) -> Iterator[SshTransport]:
    """The way to the cluster through it."""
    transport = SshTransport(server.target(), str(cluster.conf))
    yield transport
    transport.close()


@pytest.fixture
def backend(cluster, tmp_path, transport) -> SlurmBackend:
    """The same as elsewhere, from afar."""
    return make_backend(cluster, tmp_path, transport=transport)


def test_jobs_end_as_they_do_on_the_spot(backend, tmp_path):
    lines = ["exit 0", "exit 7", "exit 200", "kill -SEGV $$", 'echo "$ODD"; exit 255']
    odd = 'it\'s "odd" $HOME `id` \\\nsecond; line ü'
    spec = shell_array(tmp_path, *lines, env={"ODD": odd})
    assert backend.find(spec.token) is None
    handle = backend.submit(spec)
    assert backend.find(spec.token) == handle
    jobs = to_the_end(backend, handle)
    assert [job.exit_code for job in jobs.values()] == [0, 7, 200, None, 255]
    assert jobs[3].signal == signal.SIGSEGV
    assert abs(jobs[0].ended_utc.timestamp() - time.time()) < 60
    assert odd in spec.log_file(4).read_text()


def test_watching_finding_and_cancelling(backend, tmp_path):
    spec = shell_array(tmp_path, "sleep 60", "sleep 60", max_parallel=1)
    handle = backend.submit(spec)
    jobs = wait_for(backend, handle, lambda jobs: jobs[0].state == JobState.RUNNING)
    assert jobs[1].reason.startswith("JobArrayTaskLimit")
    assert backend.find_tries(spec.token) == (handle,)
    backend.cancel(handle)
    assert {job.state for job in to_the_end(backend, handle).values()} == {JobState.CANCELLED}


def test_refused_and_stuck(backend, tmp_path):
    with pytest.raises(RejectedError, match="invalid partition"):
        backend.submit(shell_array(tmp_path, "exit 0", placement=Placement(partition="nowhere")))
    handle = backend.submit(shell_array(tmp_path, "exit 0", time_s=7200, placement=Placement(partition="short")))
    wait_for(backend, handle, lambda jobs: jobs[0].stuck)
    backend.cancel(handle)


def test_jobs_see_nothing_of_the_session(backend, tmp_path):
    spec = shell_array(tmp_path, "env")
    to_the_end(backend, backend.submit(spec))
    assert "SSH_" not in spec.log_file(0).read_text()


def test_one_connection_for_all_commands(backend, server, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "sleep 1"))
    to_the_end(backend, handle)
    assert sum(backend.client.calls.values()) > 5
    assert len(server.sessions()) == 1


def test_a_machine_that_is_not_the_one_we_know(server, cluster, tmp_path):
    for known_hosts in (str(server.folder / "wrong_hosts"), (server.folder / "wrong_hosts").read_text()):
        transport = SshTransport(server.target(known_hosts=known_hosts), str(cluster.conf))
        backend = make_backend(cluster, tmp_path, transport=transport)
        spec = shell_array(tmp_path, "exit 0")
        began = time.monotonic()
        with pytest.raises(NotReachedError, match=r"not the machine that we know.*nothing was sent.*known_hosts"):
            backend.submit(spec)
        assert time.monotonic() - began < 15  # it will not get better by waiting
        assert cluster.run("squeue", "-h", "-t", "all", "-n", spec.token) == ""
        snapshot = backend.view.look()
        assert not snapshot.answered
        assert "known_hosts" in snapshot.error
        transport.close()


def test_a_machine_that_nobody_knows(server, cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # with no ~/.ssh/known_hosts
    (tmp_path / "empty").touch()
    for known_hosts in (None, str(tmp_path / "empty")):
        transport = SshTransport(server.target(known_hosts=known_hosts), str(cluster.conf))
        with pytest.raises(NotReachedError, match="known_hosts"):
            transport.run(["true"])
        transport.close()


def test_a_file_of_known_hosts_that_is_not_there(server, tmp_path):
    transport = SshTransport(server.target(known_hosts=str(tmp_path / "absent")))
    with pytest.raises(NotReachedError, match="absent") as caught:
        transport.run(["true"])
    assert not caught.value.again
    transport.close()


def test_keys(server, cluster, tmp_path):
    text = (server.folder / "user_key").read_text()
    for key in (text, text.replace("\n", "\\n")):
        transport = SshTransport(server.target(private_key_file=None, private_key=key))
        assert transport.run(["echo", "in"]).stdout == "in\n"
        transport.close()
    asyncssh.read_private_key(server.folder / "user_key").write_private_key(
        tmp_path / "locked", "pkcs8-pem", passphrase="open me"
    )
    transport = SshTransport(server.target(private_key_file=str(tmp_path / "locked"), password="open me"))
    assert transport.run(["true"]).code == 0
    transport.close()
    for changes, text in (
        ({"private_key_file": str(server.folder / "other_key")}, "does not let us in.*check login and private key"),
        ({"private_key_file": str(tmp_path / "locked")}, "private key .* cannot be read"),
        ({"private_key_file": str(tmp_path / "absent")}, "private key .* cannot be read"),
        ({"port": 1}, "cannot be reached"),
    ):
        transport = SshTransport(server.target(**changes))
        with pytest.raises(NotReachedError, match=text):
            transport.run(["true"])
        transport.close()


def test_the_connection_is_lost_between_commands(backend, server, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "exit 3"))
    server.cut()
    assert to_the_end(backend, handle)[0].exit_code == 3


def test_the_connection_is_lost_while_the_cluster_is_asked(backend, server, transport):
    with pytest.raises(NoAnswerError, match=r"lost|cut off"):
        run_and_cut(transport, server)
    server.stop()
    try:
        time.sleep(0.3)
        snapshot = backend.view.look()
        assert not snapshot.answered
        assert "cannot be reached" in snapshot.error
    finally:
        server.start()
    deadline = time.monotonic() + 20
    while not backend.view.look().answered:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run_and_cut(transport: SshTransport, server: Server) -> Result:
    """Run a command that takes long, and break the connection meanwhile."""
    transport.run(["true"])
    threading.Timer(0.5, server.cut).start()
    return transport.run(["sleep", "30"])


def test_the_connection_is_lost_in_the_middle_of_a_submission(server, cluster, tmp_path):
    transport = CutAfterwards(server, str(cluster.conf))
    backend = make_backend(cluster, tmp_path, transport=transport)
    spec = shell_array(tmp_path, "exit 0")
    handle = backend.submit(spec)
    listed = cluster.run("squeue", "-h", "-t", "all", "-n", spec.token, "-O", "ArrayJobID").split()
    assert listed == [handle.id]
    assert backend.client.calls["sbatch"] == 1
    assert to_the_end(backend, handle)[0].state == JobState.COMPLETED
    transport.close()


def test_it_works_in_a_process_that_was_forked(backend, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "sleep 60"))
    child = os.fork()
    if not child:
        with suppress(BaseException):
            wait_for(backend, handle, running)
            backend.cancel(handle)
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.client.queue(names=[handle.token])[0].state == JobState.CANCELLED
