"""A private cluster: munge, slurmctld, some slurmd, and slurmdbd with MariaDB on request."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal as signals
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import psutil

from airflow_slurm.private_cluster import daemons, launch, leftovers
from airflow_slurm.private_cluster.configuration import DEFAULT_PARTITIONS, Layout, Shape, own_address
from airflow_slurm.private_cluster.daemons import Daemon, wait_until
from airflow_slurm.private_cluster.errors import PrivateClusterError
from airflow_slurm.private_cluster.packages import program, require_packages, search_path

# Variables of SLURM's commands would change what they do.
_VARIABLES = ("SLURM_", "SBATCH_", "SALLOC_", "SQUEUE_", "SCANCEL_", "SINFO_", "SACCT_", "SPRIO_")
_START_LIMIT_S = 30.0
_STARTS = 3


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What runs of a cluster."""

    daemons: dict[str, bool]
    """Whether each runs; empty if the cluster is stopped."""
    nodes: str
    """What ``sinfo`` says; its error if it cannot."""

    @property
    def running(self) -> bool:
        """Whether all daemons run."""
        return bool(self.daemons) and all(self.daemons.values())


class PrivateCluster:
    """A real SLURM cluster on this machine, on 127.0.0.1, for one user.

    Its daemons outlive the program that started them; any program that knows the directory can look at it and stop it.
    A cluster that runs keeps its shape: nodes, options and so on count when a stopped one is started.

    Parameters
    ----------
    directory : pathlib.Path
        Where its configuration, logs and state are; made if missing. Job numbers go on where an earlier start ended.
    nodes, cpus : int
        Nodes, and processors that each claims to have; more than the machine has is fine.
    memory_mb : int
        Memory that each node claims, in MB as SLURM counts them (2^20 bytes).
    accounting : bool
        Whether it keeps a database of jobs (slurmdbd with MariaDB), for ``sacct``.
    options : mapping, optional
        Options for slurm.conf, beside or instead of the usual ones.
    partitions : mapping, optional
        Options of each partition, by its name.
    niceness : int
        How much its jobs stand back behind everything else on this machine.

    Examples
    --------
    >>> with PrivateCluster(Path("/tmp/my_cluster"), nodes=2) as cluster:
    ...     cluster.run("sinfo")
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        nodes: int = 2,
        cpus: int = 8,
        memory_mb: int = 20_000,
        accounting: bool = False,
        options: Mapping[str, str] | None = None,
        partitions: Mapping[str, str] | None = None,
        niceness: int = 0,
    ) -> None:
        self.directory = Path(directory).resolve()
        self.shape = Shape(
            name=f"private_{sha256(str(self.directory).encode()).hexdigest()[:8]}",
            nodes=nodes,
            cpus=cpus,
            memory_mb=memory_mb,
            accounting=accounting,
            partitions=dict(partitions or DEFAULT_PARTITIONS),
            options=dict(options or {}),
            niceness=niceness,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def conf(self) -> Path:
        """Path of ``slurm.conf``; the same at each start."""
        return self.directory / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The environment for SLURM's commands: this process's own, with nothing of another SLURM in it."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_VARIABLES)}
        return kept | {"SLURM_CONF": str(self.conf), "PATH": search_path()}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the daemons that run: ``slurmctld``, ``slurmd.n1`` and so on."""
        return {name: daemon.pid for name, daemon in self._daemons().items() if daemon.alive()}

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return self._noted_shape().node_names

    def run(self, *command: str, check: bool = True, timeout_s: float = 60.0, text: str | None = None) -> str:
        """Run one of SLURM's commands on this cluster and return what it prints.

        Raises
        ------
        PrivateClusterError
            If it fails, unless `check` is False, or does not end in time.
        """
        try:
            done = subprocess.run(
                [program(command[0]), *command[1:]],
                env=self.environment, input=text, capture_output=True, text=True, timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise PrivateClusterError(f"`{' '.join(command)}` does not end within {timeout_s:.0f} s") from None
        if check and done.returncode:
            raise PrivateClusterError(f"`{' '.join(command)}` failed ({done.returncode}): {done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Start the cluster and wait until its nodes are idle; of one that runs, only what has died is started.

        Raises
        ------
        PrivateClusterError
            If packages are missing, or a daemon does not start; the text has the end of its log.
        """
        require_packages(accounting=self.shape.accounting)
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if self.pids:
                for name in self._launcher().order:
                    if name not in self.pids:
                        self._start_one(name)
                self._wait_for_nodes()
                return
            self._end_all(keep_queue=True)  # what a kill has left
            try:
                self._start_all()
            except BaseException:
                self._end_all(keep_queue=True)
                raise

    def stop(self, *, keep_queue: bool = False) -> None:
        """End all jobs and daemons, and remove sockets; logs, accounting and the number of the last job stay.

        Parameters
        ----------
        keep_queue : bool
            Whether it is to go on where it was when it is started again: jobs that run end as ``NODE_FAIL``, as after
            a power cut, and those that wait go on waiting. By default all are cancelled.

        Raises
        ------
        PrivateClusterError
            If a process survives SIGKILL.
        """
        if not self.directory.exists():
            return
        with self._lock():
            self._end_all(keep_queue=keep_queue)

    def status(self) -> ClusterStatus:
        """Look at the cluster without touching it."""
        known = {name: daemon.alive() for name, daemon in self._daemons().items()}
        if not known:
            return ClusterStatus({}, "")
        done = subprocess.run([program("sinfo")], env=self.environment, capture_output=True, text=True, check=False)
        return ClusterStatus(known, (done.stdout or done.stderr).rstrip())

    def kill(self, name: str, node: str | None = None, signal: int = signals.SIGKILL) -> None:
        """Send a signal to one daemon, and wait for its end if the signal means that.

        Parameters
        ----------
        name : str
            ``slurmctld``, ``slurmd``, ``slurmdbd``, ``mariadbd`` or ``munged``.
        node : str, optional
            Which ``slurmd``; the first node's if not given.
        signal : int
            SIGKILL by default.
        """
        daemon = self._daemons().get(self._key(name, node))
        process = daemon.process() if daemon else None
        if process is None:
            raise PrivateClusterError(f"{self._key(name, node)} does not run")
        process.send_signal(signal)
        if signal in (signals.SIGKILL, signals.SIGTERM, signals.SIGINT):
            daemons.wait_until_gone([process], 10.0)

    def start_daemon(self, name: str, node: str | None = None) -> None:
        """Start one daemon again, as an administrator would, and wait until it answers.

        Raises
        ------
        PrivateClusterError
            If it runs, or does not start.
        """
        with self._lock():
            key = self._key(name, node)
            if key in self.pids:
                raise PrivateClusterError(f"{key} runs already")
            self._start_one(key)

    def _key(self, name: str, node: str | None) -> str:
        return f"slurmd.{node or self.node_names[0]}" if name == "slurmd" else name

    def _start_all(self) -> None:
        for attempt in range(1, _STARTS + 1):
            short = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")
            layout = Layout(self.directory, Path(short), own_address())
            names = [*self.shape.node_names, "slurmctld", "slurmdbd"]
            ports = dict(zip(names, daemons.free_ports(len(names)), strict=True))
            note = {"short": short, "loopback": layout.loopback, "ports": ports, "shape": asdict(self.shape)}
            self._write({**note, "daemons": {}})
            launch.prepare(self.shape, layout, ports)
            try:
                for name in self._launcher().order:
                    self._start_one(name)
                self._wait_for_nodes()
            except PrivateClusterError:
                # Somebody else may have taken a port in the meantime.
                self._end_all(keep_queue=True)
                if attempt == _STARTS:
                    raise
            else:
                return

    def _start_one(self, name: str) -> None:
        launcher = self._launcher()
        daemon = launcher.start(name)
        note = self._note()
        note["daemons"][name] = asdict(daemon)
        self._write(note)
        if not wait_until(lambda: launcher.answers(name) or not daemon.alive(), _START_LIMIT_S) or not daemon.alive():
            raise PrivateClusterError(f"{name} did not start. End of its log:\n{launcher.last_lines(name)}")

    def _wait_for_nodes(self) -> None:
        """Wait until every node can take jobs."""

        def ready() -> bool:
            states = self.run("sinfo", "-h", "-N", "-o", "%T", check=False).split()
            return bool(states) and all(
                state.startswith(("idle", "mix", "alloc", "comp")) and state[-1] != "*" for state in states
            )

        if not wait_until(ready, _START_LIMIT_S):
            states = self.run("sinfo", "-N", "-o", "%N %T %E", check=False)
            raise PrivateClusterError(
                f"the nodes do not become idle:\n{states}{self._launcher().last_lines('slurmctld')}"
            )

    def _end_all(self, *, keep_queue: bool = False) -> None:
        quiet = True
        if keep_queue:
            self._fail_nodes()
        else:
            quiet = self._cancel_jobs()
        # The controller first, before it starts what waits; then what is left of jobs, for which slurmd would wait;
        # then each before the one that it reports to.
        left = self._end_daemons("slurmctld")
        left += leftovers.end(lambda: leftovers.of_jobs(self.shape.name, self.directory / "log"))
        for kind in ("slurmd.", "slurmdbd", "mariadbd", "munged"):
            left += self._end_daemons(kind)
        left += leftovers.end(lambda: leftovers.of_daemons(self.conf))
        if left:
            raise PrivateClusterError(f"processes {', '.join(str(process.pid) for process in left)} survived SIGKILL")
        if not quiet:
            # Else the next start would take jobs that were ended here for running ones.
            for path in (self.directory / "state").glob("job_state*"):
                path.unlink(missing_ok=True)
        self._clear()

    def _end_daemons(self, kind: str) -> list[psutil.Process]:
        """End the daemons whose names begin so; return those that live on after all."""
        running = daemons.processes(daemon for name, daemon in self._daemons().items() if name.startswith(kind))
        return daemons.end(running, patience_s=3.0)

    def _cancel_jobs(self) -> bool:
        """End all jobs by SLURM's own means; tell whether that worked."""
        if not self._daemons():
            return True
        for arguments, patience_s in (([], 4.0), (["--signal=KILL"], 2.0)):
            left = self._jobs()
            if not left:
                return left is not None
            self._try("scancel", *arguments, *left)
            self._wait_for_jobs(patience_s)
        return self._jobs() == []

    def _fail_nodes(self) -> None:
        """Say that the nodes have failed, and with them the jobs that run."""
        if "slurmctld" in self.pids:
            nodes, reason = ",".join(self.node_names), "Reason=the cluster was stopped"
            self._try("scontrol", "update", f"NodeName={nodes}", "State=DOWN", reason)

    def _jobs(self) -> list[str] | None:
        """Return the numbers of the jobs that have not ended; None if nobody answers."""
        if "slurmctld" not in self.pids:
            return None
        try:
            return sorted(set(self.run("squeue", "-h", "-o", "%A", timeout_s=5.0).split()))
        except PrivateClusterError:
            return None

    def _try(self, *command: str) -> None:
        with suppress(PrivateClusterError):
            self.run(*command, check=False, timeout_s=5.0)

    def _wait_for_jobs(self, timeout_s: float) -> None:
        # A node whose daemon is dead cannot say that its jobs have ended.
        if any(name.startswith("slurmd.") for name in self.pids):
            wait_until(lambda: not self._jobs(), timeout_s)

    def _clear(self) -> None:
        """Remove what a stopped cluster does not need."""
        if short := self._note().get("short"):
            shutil.rmtree(short, ignore_errors=True)
        self._note_file.unlink(missing_ok=True)

    @property
    def _note_file(self) -> Path:
        return self.directory / "cluster.json"

    def _note(self) -> dict[str, Any]:
        try:
            content = json.loads(self._note_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, note: dict[str, Any]) -> None:
        new = self._note_file.with_suffix(".new")
        new.write_text(json.dumps(note, indent=1) + "\n")
        new.replace(self._note_file)

    def _noted_shape(self) -> Shape:
        noted = self._note().get("shape")
        return Shape(**noted) if noted else self.shape

    def _daemons(self) -> dict[str, Daemon]:
        return {name: Daemon(**content) for name, content in self._note().get("daemons", {}).items()}

    def _launcher(self) -> launch.Launcher:
        note = self._note()
        if not note:
            raise PrivateClusterError(f"the cluster of {self.directory} is stopped: start it first")
        layout = Layout(self.directory, Path(note["short"]), note["loopback"])
        return launch.Launcher(self._noted_shape(), layout, note["ports"], self.environment)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one program at a time start or stop the cluster."""
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
