"""The configuration files of a private cluster."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"

DEFAULT_PARTITIONS: dict[str, str] = {
    "short": "Default=YES MaxTime=60",
    "long": "MaxTime=INFINITE",
}
"""Name of each partition, with its options in SLURM's words; ``MaxTime`` in minutes."""


def own_address() -> str | None:
    """Return the loopback address that this machine's name leads to; None if it leads elsewhere."""
    with suppress(OSError):
        address = socket.gethostbyname(socket.gethostname())
        return address if address.startswith("127.") else None
    return None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a cluster are.

    Sockets have to have short paths (108 characters), and slurm.conf knows no way to write a path with blanks that
    every option understands. So all that SLURM reads of paths is below a short folder of its own, in which `home`
    leads to the cluster's directory.
    """

    directory: Path
    short: Path
    loopback: str | None
    """The address to listen on. SLURM listens on the one that the machine's name leads to, or on all there are: if
    the name leads to a network, the daemons can be reached from there, and munge alone keeps others out."""

    @property
    def address(self) -> str:
        """The address at which the daemons are reached."""
        return self.loopback or LOOPBACK

    @property
    def home(self) -> Path:
        """The cluster's directory by its short path."""
        return self.short / "home"

    @property
    def munge_socket(self) -> Path:
        """Where munge listens."""
        return self.short / "munge.s"

    @property
    def database_socket(self) -> Path:
        """Where MariaDB listens."""
        return self.short / "db.s"

    def log(self, daemon: str) -> Path:
        """Return the log of a daemon."""
        return self.home / "log" / f"{daemon}.log"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster looks like.

    Parameters
    ----------
    name : str
        Name of the cluster: lower-case letters, digits and ``_``.
    nodes, cpus : int
        Nodes, and processors that each claims to have.
    memory_mb : int
        Memory of each node in MB, as SLURM counts them (2^20 bytes).
    accounting : bool
        Whether there is a database of jobs.
    partitions : mapping
        Options of each partition, by its name.
    options : mapping
        Options of slurm.conf that are added, or replace the usual ones.
    niceness : int
        How much jobs stand back behind everything else on this machine.
    """

    name: str
    nodes: int
    cpus: int
    memory_mb: int
    accounting: bool
    partitions: Mapping[str, str]
    options: Mapping[str, str]
    niceness: int = 0

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes: ``n1``, ``n2`` and so on."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))


def user_name() -> str:
    """Return the name of the user, or the number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def slurm_conf(shape: Shape, layout: Layout, ports: Mapping[str, int]) -> str:
    """Return the text of ``slurm.conf``.

    Parameters
    ----------
    shape : Shape
        What the cluster looks like.
    layout : Layout
        Where its files are.
    ports : mapping
        TCP port of each daemon that listens.
    """
    host = socket.gethostname().partition(".")[0]
    lines = [
        "# Written when the cluster starts: changes are lost.",
        f"SlurmctldHost={host}({layout.address})",
        *(f"{key}={value}" for key, value in _with(_usual(shape, layout, ports), shape.options).items()),
    ]
    for node in shape.node_names:
        lines.append(
            f"NodeName={node} NodeHostname={host} NodeAddr={layout.address} Port={ports[node]} "
            f"CPUs={shape.cpus} RealMemory={shape.memory_mb} State=UNKNOWN"
        )
    for name, options in shape.partitions.items():
        nodes = "" if "Nodes=" in options else "Nodes=ALL "
        lines.append(f"PartitionName={name} {nodes}State=UP {options}")
    return "\n".join(lines) + "\n"


def _usual(shape: Shape, layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    user = user_name()
    usual = {
        "ClusterName": shape.name,
        "SlurmctldPort": str(ports["slurmctld"]),
        "SlurmUser": user,
        "SlurmdUser": user,
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge_socket}",
        "CredType": "cred/munge",
        "StateSaveLocation": str(layout.home / "state"),
        "SlurmdSpoolDir": str(layout.short / "%n"),
        "SlurmctldPidFile": str(layout.short / "slurmctld.pid"),
        "SlurmdPidFile": str(layout.short / "%n.pid"),
        "SlurmctldLogFile": str(layout.log("slurmctld")),
        "SlurmdLogFile": str(layout.log("slurmd.%n")),
        "PlugStackConfig": str(layout.home / "plugstack.conf"),  # its own, even if empty: else the one in /etc
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SwitchType": "switch/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "DefMemPerCPU": "100",
        "SlurmdParameters": "config_overrides",  # a node may claim more than the machine has
        "ReturnToService": "2",
        # Jobs start and end within a fraction of a second, not several seconds.
        "SchedulerParameters": "sched_min_interval=0,batch_sched_delay=0,bf_interval=1",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "KillWait": "2",
        "MessageTimeout": "3",
        "SlurmdTimeout": "30",
        "AccountingStorageType": "accounting_storage/none",
    }
    if layout.loopback:
        usual["CommunicationParameters"] = "NoInAddrAny,NoCtldInAddrAny"
    if shape.accounting:
        usual |= {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": layout.address,
            "AccountingStoragePort": str(ports["slurmdbd"]),
            "AccountingStoragePass": str(layout.munge_socket),  # with munge it is no password
            "AccountingStoreFlags": "job_comment",
        }
    return usual


def _with(usual: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """Lay options over the usual ones; SLURM does not care for capitals."""
    names = {key.lower(): key for key in usual}
    return {**usual, **{names.get(key.lower(), key): value for key, value in options.items()}}


def slurmdbd_conf(layout: Layout, port: int) -> str:
    """Return the text of ``slurmdbd.conf``, which only its owner may read."""
    user = user_name()
    values = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge_socket}",
        "DbdHost": socket.gethostname().partition(".")[0],
        "DbdAddr": layout.address,
        "DbdPort": str(port),
        "SlurmUser": user,
        "PidFile": str(layout.short / "slurmdbd.pid"),
        "LogFile": str(layout.log("slurmdbd")),
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": user,
        "StorageLoc": "slurm_acct_db",
    }
    if layout.loopback:
        values["CommunicationParameters"] = "NoInAddrAny"
    return "".join(f"{key}={value}\n" for key, value in values.items())


def cgroup_conf(options: Mapping[str, str]) -> str:
    """Return the text of ``cgroup.conf``; empty where no plugin uses cgroups."""
    # The file has to exist even then: without it, jobs are said to have completed that never ran.
    if not any("cgroup" in value for value in options.values()):
        return ""
    version = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
    return f"CgroupPlugin=cgroup/{version}\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
