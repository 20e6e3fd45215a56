"""The cluster's configuration with the real daemons on this machine; only hosts, user and folders are replaced."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow_slurm.private_cluster.packages import program, require_packages, search_path
from docker_files import DOCKER

LIMIT_S = 30.0


def free_ports(number: int) -> list[int]:
    holders = [socket.socket() for _ in range(number)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


class Cluster:
    """The daemons of the compose file, without containers."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.folder, self.secrets = folder, secrets
        self.answer = ""
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
        self.environment |= {"SLURM_CONF": f"{folder}/etc/slurm.conf", "PATH": search_path()}

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr, self.logs())
        return done.stdout

    def works(self, *command: str) -> bool:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        self.answer = done.stdout + done.stderr
        return done.returncode == 0

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {LIMIT_S:.0f} s: {what}\n{self.answer}\n{self.logs()}"
            time.sleep(0.1)

    def start(self, name: str, *command: str, **environment: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(command, env=self.environment | environment, stdout=log, stderr=log, cwd=self.folder)
            )

    def logs(self) -> str:
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-800:]}" for path in paths)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def configure(self) -> None:
        """Lay the files of docker/slurm down, with the names of this machine in them."""
        etc, me, host = self.folder / "etc", getpass.getuser(), socket.gethostname().partition(".")[0]
        etc.mkdir()
        controller, database, *nodes = free_ports(4)
        text = (DOCKER / "slurm" / "slurm.conf").read_text()
        nodes_line = re.search(r"^NodeName=compute\[1-2\] (.*)$", text, re.MULTILINE)
        assert nodes_line
        local = "\n".join(
            f"NodeName=compute{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {nodes_line[1]}"
            for number, port in enumerate(nodes, 1)
        )
        text = self._here(text.replace(nodes_line[0], local), me).replace(
            "SlurmctldHost=slurmctld", f"SlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}"
        )
        text = text.replace(
            "AccountingStorageHost=slurmdbd",
            f"AccountingStorageHost=127.0.0.1\nAccountingStoragePort={database}\nAccountingStoragePass={self.folder}/munge",
        )
        # Several slurmd on one host need folders of their own; the scheduler need not think long of one job.
        text = text.replace("/spool\n", "/spool.%n\n").replace("slurmd.pid", "slurmd.%n.pid")
        text += "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0\n"
        (etc / "slurm.conf").write_text(text)
        shutil.copy(DOCKER / "slurm" / "cgroup.conf", etc)
        text = self._here((DOCKER / "slurm" / "slurmdbd.conf").read_text(), me)
        text = text.replace("DbdHost=slurmdbd", f"DbdHost={host}\nDbdAddr=127.0.0.1\nDbdPort={database}")
        (etc / "slurmdbd.conf").write_text(text.replace("StorageHost=mariadb", "StorageHost=localhost"))

    def _here(self, text: str, me: str) -> str:
        text = text.replace("/var/lib/cluster", f"{self.folder}/state").replace("/run/slurm", str(self.folder))
        text = text.replace("User=stereo", f"User={me}")
        return text.replace("AuthType=auth/munge", f"AuthType=auth/munge\nAuthInfo=socket={self.folder}/munge")

    def start_mariadb(self) -> None:
        data, socket_file = self.folder / "db", str(self.folder / "db.sock")
        user = f"--user={getpass.getuser()}"
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={data}", user, "--skip-test-db",
                 "--auth-root-authentication-method=socket")  # fmt: skip
        self.start("mariadb", program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket_file}",
                   user, "--skip-networking", "--innodb-lock-wait-timeout=900")  # fmt: skip
        client = ("mariadb", "--no-defaults", f"--socket={socket_file}", "--execute")
        self.wait_for(lambda: self.works(*client, "SELECT 1"), "MariaDB answers")
        # What MariaDB's image does with MARIADB_USER, MARIADB_DATABASE and the password.
        password = (self.secrets / "mariadb_password").read_text()
        self.run(*client, f"CREATE DATABASE slurm; CREATE USER slurm@localhost IDENTIFIED BY '{password}'; "
                          "GRANT ALL ON slurm.* TO slurm@localhost")  # fmt: skip
        self.environment["MYSQL_UNIX_PORT"] = socket_file


@pytest.fixture(scope="module")
def cluster(secrets: Path) -> Iterator[Cluster]:
    require_packages(accounting=True)
    # Short: the paths of sockets are limited to 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="dk", dir="/tmp"))
    folder.chmod(0o755)
    one = Cluster(folder, secrets)
    try:
        one.configure()
        (folder / "state").mkdir()
        key = folder / "munge_key"  # munge insists on a key of its own user
        shutil.copy(secrets / "munge_key", key)
        key.chmod(0o600)
        one.start("munge", program("munged"), "--foreground", f"--key-file={key}", f"--socket={folder}/munge",
                  f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/seed")  # fmt: skip
        one.wait_for(lambda: (folder / "munge").exists(), "munge is there")
        one.start_mariadb()
        script = folder / "slurmdbd.sh"
        script.write_text((DOCKER / "slurm" / "slurmdbd.sh").read_text().replace("/etc/slurm/", f"{folder}/etc/"))
        (folder / "dbd").mkdir()
        shutil.copy(folder / "etc" / "slurm.conf", folder / "dbd")
        one.start("slurmdbd", "bash", str(script), SLURMDBD_FOLDER=f"{folder}/dbd", STEREO_SECRETS=str(secrets))
        one.wait_for(lambda: one.works("sacctmgr", "--noheader", "--immediate", "show", "cluster"), "slurmdbd answers")
        one.start("slurmctld", program("slurmctld"), "-D")
        one.wait_for(lambda: one.works("scontrol", "ping"), "slurmctld answers")
        for node in ("compute1", "compute2"):
            one.start(node, program("slurmd"), "-D", "-N", node)
        one.wait_for(lambda: one.run("sinfo", "-h", "-o", "%D %T").split() == ["2", "idle"], "both nodes are idle")
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_job_runs_and_is_accounted_for(cluster):
    script = cluster.folder / "job.sh"
    script.write_text("#!/bin/sh\nhostname > job.txt\nexit 3\n")
    command = ("sbatch", "--parsable", "--wait", f"--chdir={cluster.folder}", "--output=/dev/null", "--comment=ours")
    done = subprocess.run([*command, script], env=cluster.environment, capture_output=True, text=True)
    assert done.returncode == 3, (done.stderr, cluster.logs())
    assert (cluster.folder / "job.txt").read_text().strip() == socket.gethostname()
    job = done.stdout.strip()
    ask = ("sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode,Partition,Comment")
    cluster.wait_for(lambda: cluster.run(*ask).strip() == "FAILED|3:0|stereo|ours", "the job is in the accounting")


def test_memory_is_given_away_and_watched(cluster):
    assert "RealMemory=32000" in cluster.run("scontrol", "show", "node", "compute1")
    configuration = cluster.run("scontrol", "show", "config")
    for setting in ("JobAcctGatherParams\\s+= OverMemoryKill", "AuthType\\s+= auth/munge", "CredType\\s+= cred/munge",
                    "SelectTypeParameters\\s+= CR_CPU_MEMORY", "MaxArraySize\\s+= 10001"):  # fmt: skip
        assert re.search(setting, configuration), setting


def test_the_password_of_accounting_is_for_its_owner_only(cluster):
    path = cluster.folder / "dbd" / "slurmdbd.conf"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (cluster.secrets / "mariadb_password").read_text() in path.read_text()


def test_nodes_are_the_services_of_the_compose_file(compose):
    conf = (DOCKER / "slurm" / "slurm.conf").read_text()
    hosts = {service.get("hostname") for service in compose["services"].values()}
    assert re.search(r"^NodeName=compute\[1-2\] ", conf, re.MULTILINE)
    assert {"compute1", "compute2"} <= hosts
    for key in ("SlurmctldHost", "AccountingStorageHost"):
        value = re.search(rf"^{key}=(\w+)$", conf, re.MULTILINE)
        assert value
        assert value[1] in hosts


def test_the_health_check_of_a_node(cluster, compose):
    test = compose["services"]["compute1"]["healthcheck"]["test"]
    assert test[0] == "CMD-SHELL"
    # Docker Compose writes a dollar twice when it prints a file.
    text = test[1].replace("$$", "$")
    assert cluster.works("sh", "-c", text.replace("$(hostname)", "compute1"))
    assert not cluster.works("sh", "-c", text.replace("$(hostname)", "compute7"))
    cluster.run("scontrol", "update", "nodename=compute2", "state=down", "reason=test")
    try:
        assert not cluster.works("sh", "-c", text.replace("$(hostname)", "compute2"))
    finally:
        cluster.run("scontrol", "update", "nodename=compute2", "state=resume")
