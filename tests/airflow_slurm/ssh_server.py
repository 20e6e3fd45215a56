"""A real sshd on this machine, with keys of its own, run by the user who runs the tests."""

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
from airflow_slurm.ssh import SshTarget, SshTransport
from airflow_slurm.transport import Result


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
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in children.stdout.split()]

    def cut(self) -> None:
        """Break all connections."""
        for pid in self.sessions():
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
            for child in [*children.stdout.split(), pid]:
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        """End it with all connections."""
        # Standing still, it cannot accept one more while the others are being cut: that one would live on without it.
        self.process.send_signal(signal.SIGSTOP)
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


class CutAfterwards(SshTransport):
    """Loses the connection when `sbatch` has done its work and has not said so yet."""

    def __init__(self, server: Server, slurm_conf: str) -> None:
        super().__init__(server.target(), slurm_conf)
        self.server, self.left = server, 1

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Run `sbatch` such that it is cut off behind its work."""
        if argv[0] != "sbatch" or not self.left:
            return super().run(argv, stdin=stdin, timeout_s=timeout_s)
        self.left -= 1
        done = self.server.folder / f"submitted{time.time_ns()}"

        def cut() -> None:
            deadline = time.monotonic() + 20
            while not done.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            self.server.cut()

        threading.Thread(target=cut).start()
        script = f'sbatch "$@" >/dev/null; touch {done}; sleep 30'
        return super().run(["bash", "-c", script, *argv], stdin=stdin, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
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
    running = Server(folder, port)
    running.start()
    yield running
    running.stop()
