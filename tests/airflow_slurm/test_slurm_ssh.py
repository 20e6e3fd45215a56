"""The back end through SSH: a real sshd on this machine, with keys of its own, run by the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from airflow_slurm.array import JobState, Placement
from airflow_slurm.errors import NoAnswerError, NotReachedError, RejectedError
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.ssh import SshTarget, SshTransport
from airflow_slurm.transport import Result
from slurm_backends import make_backend, running, shell_array, to_the_end, wait_for


@dataclass
class Server:
    """An sshd and the keys that go with it."""

    folder: Path
    port: int
    process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        command = [shutil.which("sshd", path="/usr/sbin:/usr/bin"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def sessions(self) -> list[int]:
        """The processes that serve connections, ours alone."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def cut(self) -> None:
        """Break all connections."""
        for pid in self.sessions():
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            for one in [*children.stdout.split(), pid]:
                with suppress(ProcessLookupError):
                    os.kill(int(one), signal.SIGKILL)

    def stop(self) -> None:
        """End it with all connections."""
        self.cut()
        self.process.kill()
        self.process.wait()

    def target(self, **changes) -> SshTarget:
        """How it is reached."""
        values = {
            "host": "127.0.0.1",
            "port": self.port,
            "login": getpass.getuser(),
            "known_hosts": str(self.folder / "known_hosts"),
            "private_key_file": str(self.folder / "user_key"),
            "connect_timeout_s": 10.0,
        }
        return SshTarget(**(values | changes))


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """An sshd that knows one key, and a file of known hosts that knows its key."""
    folder = tmp_path_factory.mktemp("sshd")
    folder.chmod(0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("host_key", "user_key", "other_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    (folder / "authorized_keys").write_bytes((folder / "user_key.pub").read_bytes())
    known = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(known)}\n")
    wrong = (folder / "other_key.pub").read_text().split()[:2]
    (folder / "wrong_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(wrong)}\n")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin prohibit-password\nKbdInteractiveAuthentication no\n"
    )
    one = Server(folder, port)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def transport(server, cluster) -> Iterator[SshTransport]:
    """The way to the cluster through it."""
    one = SshTransport(server.target(), str(cluster.conf))
    yield one
    one.close()


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


class CutAfterwards(SshTransport):
    """Loses the connection when `sbatch` has done its work and has not said so yet."""

    server: Server
    left = 1

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Run `sbatch` such that it is cut off behind its work."""
        if argv[0] != "sbatch" or not self.left:
            return super().run(argv, stdin=stdin, timeout_s=timeout_s)
        self.left -= 1
        done = self.server.folder / "submitted"

        def cut() -> None:
            deadline = time.monotonic() + 20
            while not done.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            self.server.cut()

        threading.Thread(target=cut).start()
        script = f'sbatch "$@" >/dev/null; touch {done}; sleep 30'
        return super().run(["bash", "-c", script, *argv], stdin=stdin, timeout_s=timeout_s)


def test_the_connection_is_lost_in_the_middle_of_a_submission(server, cluster, tmp_path):
    transport = CutAfterwards(server.target(), str(cluster.conf))
    transport.server = server
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
