"""Daemons: processes that outlive the program that started them, known by more than a process id."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PORTS = range(15000, 32000)
_started: dict[int, subprocess.Popen[bytes]] = {}  # kept, so that those that ended can be collected


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process, which cannot be mistaken for a later one with the same id."""

    pid: int
    start_ticks: int
    """Start time in clock ticks since the boot."""
    boot: str
    """Identity of that boot."""

    @classmethod
    def of(cls, pid: int) -> Daemon | None:
        """Look a process up; None if there is none, or it has ended and only waits for its parent."""
        try:
            # The name of the program, in parentheses, may hold blanks: count behind it.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            return None
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), boot_id())

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        child = _started.get(self.pid)
        if child is not None and child.poll() is not None:
            del _started[self.pid]
        return Daemon.of(self.pid) == self

    def send(self, number: int) -> None:
        """Send a signal to this very process, or to none."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # The descriptor holds on to one process: checked after opening, a recycled id cannot slip in between.
                if self.alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def boot_id() -> str:
    """Return the identity of this boot: process ids of an earlier one mean nothing."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Daemon | None:
    """Start a daemon in a session of its own; None if it ended at once."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started[child.pid] = child
    return Daemon.of(child.pid)


def end(daemons: Iterable[Daemon], *, patience_s: float, first: int = signal.SIGTERM) -> list[Daemon]:
    """End processes: ask, wait, kill; return those which live on after all."""
    left = list(daemons)
    for number, wait_s in ((first, patience_s), (signal.SIGKILL, 5.0)):
        for one in left:
            one.send(number)
        left = wait_until_gone(left, wait_s)
    return left


def wait_until_gone(daemons: Iterable[Daemon], timeout_s: float) -> list[Daemon]:
    """Wait for processes to end; return those that did not."""
    left = list(daemons)
    wait_until(lambda: not [one for one in left if one.alive()], timeout_s)
    return [one for one in left if one.alive()]


def wait_until(condition: Callable[[], bool], timeout_s: float, *, pause_s: float = 0.01) -> bool:
    """Wait until something is true; tell whether it became so in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return True


def with_environment(wanted: Callable[[dict[bytes, bytes]], bool]) -> list[Daemon]:
    """Return the processes whose environment is as wanted, without this one and its ancestors."""
    ours = _ancestors()
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) not in ours and wanted(_environment(entry)):
            daemon = Daemon.of(int(entry.name))
            if daemon:
                found.append(daemon)
    return found


def with_open_file(name: str, folder: Path) -> list[Daemon]:
    """Return the processes of a given name that have a file open in a folder."""
    found = []
    for entry in _PROC.iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name:
                links = [one.readlink() for one in (entry / "fd").iterdir()]
                daemon = Daemon.of(int(entry.name))
                if daemon and any(one.parent == folder for one in links):
                    found.append(daemon)
    return found


def _environment(entry: Path) -> dict[bytes, bytes]:
    # Processes of other users cannot be read, and are not ours.
    with suppress(OSError):
        pairs = (one.partition(b"=") for one in (entry / "environ").read_bytes().split(b"\0"))
        return {key: value for key, _, value in pairs if key}
    return {}


def _ancestors() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            pid = int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody listens on.

    They are below those that the kernel hands out by itself, so that nobody gets one of them while a daemon is away.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            found.append(port)
    return found
