"""Daemons: processes that outlive the program that started them, known by a mark in their environment."""

from __future__ import annotations

import random
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_MARK = "SLURM_PRIVATE_DAEMON"
"""Environment variable with a word of its own for each start: a later process with the same id does not carry it."""
_PORTS = range(15000, 32000)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon, as it is written down for other programs."""

    pid: int
    mark: str

    def process(self) -> psutil.Process | None:
        """Return this very process; None if it has ended."""
        with suppress(psutil.Error):
            if self in _children:  # its id stays its own until it is collected; its environment shows a little later
                if _children[self].poll() is None:
                    return psutil.Process(self.pid)
                del _children[self]
                return None
            process = psutil.Process(self.pid)
            if runs(process) and process.environ().get(_MARK) == self.mark:
                return process
        return None

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.process() is not None


_children: dict[Daemon, psutil.Popen] = {}


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Daemon:
    """Start a daemon in a session of its own."""
    mark = secrets.token_hex(8)
    with log.open("ab") as output:
        child = psutil.Popen(
            list(command),
            env={**environment, _MARK: mark},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    daemon = Daemon(child.pid, mark)
    _children[daemon] = child
    return daemon


def processes(daemons: Iterable[Daemon]) -> list[psutil.Process]:
    """Return the processes of those daemons that run."""
    return [process for daemon in daemons if (process := daemon.process()) is not None]


def end(left: Sequence[psutil.Process], *, patience_s: float, first: int = signal.SIGTERM) -> list[psutil.Process]:
    """End processes: ask, wait, kill; return those which live on after all."""
    for number, wait_s in ((first, patience_s), (signal.SIGKILL, 5.0)):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        left = wait_until_gone(left, wait_s)
    return list(left)


def wait_until_gone(left: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait for processes to end; return those that did not."""
    # Not by psutil.wait_procs: for that, what its parent does not collect goes on for ever.
    wait_until(lambda: not any(map(runs, left)), timeout_s)
    return [process for process in left if runs(process)]


def runs(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended and was not collected by its parent does not."""
    with suppress(psutil.NoSuchProcess):
        # The first thread of a killed process can have ended while others still hold its ports and files.
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    return False


def wait_until(condition: Callable[[], bool], timeout_s: float, *, pause_s: float = 0.01) -> bool:
    """Wait until something is true; tell whether it became so in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return True


def with_environment(wanted: Callable[[dict[str, str]], bool]) -> list[psutil.Process]:
    """Return the processes whose environment is as wanted, without this one and its ancestors."""
    this = psutil.Process()
    ours = {this.pid, *(parent.pid for parent in this.parents())}
    matching = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # those of other users cannot be read, and are not ours
            if process.pid not in ours and runs(process) and wanted(process.environ()):
                matching.append(process)
    return matching


def with_open_file(name: str, folder: Path) -> list[psutil.Process]:
    """Return the processes of a given name that have a file open in a folder."""
    matching = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == name and any(Path(file.path).parent == folder for file in process.open_files()):
                matching.append(process)
    return matching


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody listens on.

    They are below those that the kernel hands out by itself, so that nobody gets one of them while a daemon is away.
    """
    ports: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(ports) == count:
            break
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            ports.append(port)
    return ports
