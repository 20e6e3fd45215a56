"""How each daemon of a private cluster is started, and how it shows that it works."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_slurm.private_cluster import configuration, daemons
from airflow_slurm.private_cluster.configuration import Layout, Shape
from airflow_slurm.private_cluster.daemons import Daemon
from airflow_slurm.private_cluster.errors import PrivateClusterError
from airflow_slurm.private_cluster.packages import program

MARKER = "SLURM_PRIVATE_CLUSTER"
"""Environment variable of all daemons of a cluster: the path of its slurm.conf."""


def prepare(shape: Shape, layout: Layout, ports: Mapping[str, int]) -> None:
    """Write the configuration of a cluster, and make its folders."""
    layout.short.chmod(0o755)  # munge wants everybody to reach its socket; it tells users apart by itself
    layout.home.symlink_to(layout.directory)
    for name in ("log", "state"):
        (layout.directory / name).mkdir(exist_ok=True)
    (layout.directory / "plugstack.conf").touch()
    (layout.directory / "cgroup.conf").write_text(configuration.cgroup_conf(shape.options))
    _write_private(layout.directory / "munge.key", os.urandom(128))
    if shape.accounting:
        _write_private(
            layout.directory / "slurmdbd.conf", configuration.slurmdbd_conf(layout, ports["slurmdbd"]).encode()
        )
        _prepare_database(layout)
    (layout.directory / "slurm.conf").write_text(configuration.slurm_conf(shape, layout, ports))


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts the daemons of a cluster.

    Parameters
    ----------
    shape : Shape
        What the cluster looks like.
    layout : Layout
        Where its files are.
    ports : mapping
        TCP port of each daemon that listens.
    environment : mapping
        Environment for SLURM's commands.
    """

    shape: Shape
    layout: Layout
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    @property
    def order(self) -> list[str]:
        """All daemons; each needs those before it."""
        database = ["mariadbd", "slurmdbd"] if self.shape.accounting else []
        return ["munged", *database, "slurmctld", *(f"slurmd.{node}" for node in self.shape.node_names)]

    def start(self, name: str) -> Daemon:
        """Start a daemon.

        Raises
        ------
        PrivateClusterError
            If it ends at once.
        """
        environment = {
            **self.environment,
            MARKER: self.environment["SLURM_CONF"],
            "MYSQL_UNIX_PORT": str(self.layout.database_socket),
        }
        log = self._output(name)
        log.unlink(missing_ok=True)
        daemon = daemons.start(self._command(name), environment, log)
        if not daemon.alive():
            raise PrivateClusterError(f"{name} ended at once:\n{self.last_lines(name)}")
        return daemon

    def answers(self, name: str) -> bool:
        """Tell whether a daemon works."""
        if name == "munged":
            return self._succeeds("munge", "-n", "-S", str(self.layout.munge_socket))
        if name == "mariadbd":
            return self._succeeds(
                "mariadb", "--no-defaults", f"--socket={self.layout.database_socket}", "-e", "SELECT 1"
            )
        if name == "slurmctld":
            return self._succeeds("scontrol", "ping")
        return _listens(self.layout.address, self.ports[name.removeprefix("slurmd.")])

    def last_lines(self, name: str, count: int = 15) -> str:
        """Return the end of what a daemon wrote, indented."""
        try:
            lines = self._output(name).read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            lines = []
        return "\n".join(f"    {line}" for line in lines)

    def _output(self, name: str) -> Path:
        """Return where a daemon writes before it has read its configuration."""
        return self.layout.directory / "log" / f"{name}.out"

    def _succeeds(self, *command: str) -> bool:
        full = [program(command[0]), *command[1:]]
        return subprocess.run(full, env=dict(self.environment), capture_output=True, check=False).returncode == 0

    def _command(self, name: str) -> list[str]:
        layout = self.layout
        if name.startswith("slurmd."):
            # Jobs have the niceness of slurmd.
            niceness = ["-n", str(self.shape.niceness)] if self.shape.niceness else []
            return [program("slurmd"), "-D", "-N", name.removeprefix("slurmd."), *niceness]
        if name == "munged":
            return [
                program("munged"), "--foreground", f"--key-file={layout.home}/munge.key",
                f"--socket={layout.munge_socket}", f"--pid-file={layout.short}/munged.pid",
                f"--seed-file={layout.short}/munged.seed", f"--log-file={layout.log('munged')}", "--num-threads=2",
            ]  # fmt: skip
        if name == "mariadbd":
            return [
                program("mariadbd"), *_database_options(layout), f"--socket={layout.database_socket}",
                f"--pid-file={layout.short}/mariadbd.pid", "--skip-networking", "--innodb-lock-wait-timeout=900",
            ]  # fmt: skip
        # Unreadable state after a kill is dropped, instead of keeping the cluster from starting.
        return [program(name), "-D", *(["-i"] if name == "slurmctld" else [])]


def _database_options(layout: Layout) -> list[str]:
    return [
        "--no-defaults",
        f"--datadir={layout.home}/database",
        f"--user={configuration.user_name()}",
        "--innodb-log-file-size=16M",
        "--innodb-buffer-pool-size=64M",
    ]


def _prepare_database(layout: Layout) -> None:
    if (layout.directory / "database" / "mysql").exists():
        return
    (layout.directory / "database").mkdir(exist_ok=True)
    command = [program("mariadb-install-db"), *_database_options(layout), "--skip-test-db"]
    command += ["--auth-root-authentication-method=socket", f"--auth-root-socket-user={configuration.user_name()}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrivateClusterError(f"the database of jobs could not be made:\n{done.stdout}{done.stderr}")


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _listens(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1.0):
        return True
    return False
