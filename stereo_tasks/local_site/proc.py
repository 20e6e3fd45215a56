"""What Linux tells of processes: who a process is, whose child it is, which site it belongs to."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stereo_tasks.local_site.errors import SiteError

MARKER = "STEREO_SITE_ID"
"""Environment variable that every process of a site carries, handed down to its children."""

_PROC = Path("/proc")


def boot_id() -> str:
    """Return the identity of this boot: process ids of an earlier one mean nothing."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same id."""

    pid: int
    start_ticks: int
    """Start time in clock ticks since the boot; unlike a wall-clock time it never shifts."""
    boot: str
    host: str = field(compare=False)
    """For messages; a machine may change its name while it runs."""

    @classmethod
    def of(cls, pid: int, *, ended_too: bool = False) -> Identity | None:
        """Look a process up; None if it does not exist, or has ended and only waits for its parent."""
        found = _stat(pid)
        if found is None or (found.state in "ZX" and not ended_too):
            return None
        return cls(pid, found.start_ticks, boot_id(), socket.gethostname())

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process, or to none."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # The descriptor holds on to one process: checked after opening, a recycled id cannot slip in between.
                if self.alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    state: str
    parent: int
    session: int
    start_ticks: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may contain blanks and parentheses: fields count from the last one.
    fields = text.rpartition(")")[2].split()
    return _Stat(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def _all() -> list[_Stat]:
    found = (_stat(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [one for one in found if one is not None and one.state not in "ZX"]


def _identities(stats: Iterable[_Stat]) -> list[Identity]:
    boot, host = boot_id(), socket.gethostname()
    return [Identity(one.pid, one.start_ticks, boot, host) for one in stats]


def family(leaders: Iterable[int]) -> list[Identity]:
    """Return the processes in the sessions of `leaders` and all descendants, without the leaders."""
    stats = _all()
    wanted = set(leaders)
    members = set(wanted)
    grown = True
    while grown:
        more = {one.pid for one in stats if one.parent in members or one.session in wanted} - members
        members |= more
        grown = bool(more)
    return _identities(one for one in stats if one.pid in members - wanted)


def marked(value: str, variable: str = MARKER) -> list[Identity]:
    """Return the processes with this value of an environment variable, without this one and its ancestors."""
    needle = f"{variable}={value}".encode()
    ours = _ancestors()
    return _identities(one for one in _all() if one.pid not in ours and needle in _environment(one.pid))


def working_in(folder: Path, name: str) -> list[Identity]:
    """Return the processes of a given name whose current directory is `folder`."""
    wanted = str(folder.resolve())
    return _identities(one for one in _all() if _link(one.pid, "cwd") == wanted and _name(one.pid) == name)


def end(processes: Iterable[Identity], *, patience_s: float, first: signal.Signals = signal.SIGTERM) -> None:
    """End processes: ask, wait, kill, and make sure.

    Raises
    ------
    SiteError
        If a process is still there after SIGKILL.
    """
    left = list(processes)
    for number, wait_s in ((first, patience_s), (signal.SIGKILL, 10.0)):
        for one in left:
            one.send(number)
        left = wait_until_gone(left, wait_s)
        if not left:
            return
    raise SiteError(
        f"processes {', '.join(str(one.pid) for one in left)} survived SIGKILL: they hang in a system call, most often "
        "on a file system that does not answer"
    )


def wait_until_gone(processes: Iterable[Identity], timeout_s: float) -> list[Identity]:
    """Wait for processes to end, and return those that did not."""
    left = list(processes)
    deadline = time.monotonic() + timeout_s
    pause_s = 0.01
    while True:
        left = [one for one in left if one.alive()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)


def _ancestors() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        stat = _stat(pid)
        pid = stat.parent if stat else 0
    return found


def _environment(pid: int) -> list[bytes]:
    # Processes of other users cannot be read, and are not ours.
    with suppress(OSError):
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return []


def _link(pid: int, name: str) -> str:
    with suppress(OSError):
        return str((_PROC / str(pid) / name).readlink())
    return ""


def _name(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return ""
