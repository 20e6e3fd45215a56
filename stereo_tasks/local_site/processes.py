"""Processes of a site: services that outlive the command that started them, and everything that carries its mark."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import psutil

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import private_folder, read_json, write_private_json

MARKER = "STEREO_SITE_ID"
"""Environment variable that every process of a site carries, handed down to its children."""
_START_MARKER = "STEREO_SERVICE_START"
"""Carries a word of its own for each start of a service: no later process with the same id can be mistaken for it."""
_LOG_LIMIT_BYTES = 20_000_000
_EXEC_LIMIT_S = 1.0  # a process has no environment for a moment while it becomes another program


def site_id(root: Path) -> str:
    """Return the identity of a site: a hash of where it is, so that it is known even without its state folder."""
    return sha256(str(root.resolve()).encode()).hexdigest()[:16]


class Condition(StrEnum):
    """What is known of a service."""

    RUNNING = "running"
    STOPPED = "stopped"
    """Never started, or stopped by `down`."""
    DIED = "died"
    """Started, and gone without having been stopped."""
    ELSEWHERE = "elsewhere"
    """Started on another host: its state cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the site, with what belongs to it.

    Parameters
    ----------
    name : str
        Name of the service, used for its files.
    state : pathlib.Path
        The site's state folder.
    stop_signals : tuple of signal.Signals
        What asks it to end in good order, one after the other; SIGKILL comes after the last.
    patience_s : float
        How long it may take after each.
    """

    name: str
    state: Path
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    patience_s: float = 10.0

    @property
    def pid_file(self) -> Path:
        """Where it is kept which process it is."""
        return self.state / "pids" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """Where the process writes."""
        return self.state / "logs" / f"{self.name}.log"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> psutil.Popen:
        """Start the service in a session of its own, so that no terminal and no Ctrl-C reaches it.

        Raises
        ------
        SiteError
            If it runs already.
        """
        if self.condition() in (Condition.RUNNING, Condition.ELSEWHERE):
            raise SiteError(f"{self.name} runs already ({self.pid_file}): stop the site first")
        private_folder(self.log.parent)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        start = secrets.token_hex(8)
        with self.log.open("ab") as log:
            process = psutil.Popen(
                list(command),
                env={**environment, _START_MARKER: start},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        private_folder(self.pid_file.parent)
        write_private_json(self.pid_file, {"pid": process.pid, "start": start, "host": socket.gethostname()})
        return process

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, limit_s: float) -> int:
        """Run a command to its end as this service, and return its exit code.

        Raises
        ------
        SiteError
            If it takes longer than `limit_s`; it is stopped then.
        """
        process = self.start(command, environment)
        try:
            return int(process.wait(limit_s))
        except psutil.TimeoutExpired:
            raise SiteError(f"{self.name} takes longer than {limit_s:.0f} s; see {self.log}") from None
        finally:
            stop([self])

    @property
    def process(self) -> psutil.Process | None:
        """The process as it was started; None if it does not run, or not on this host."""
        note = read_json(self.pid_file)
        return marked_process(note.get("pid"), str(note.get("start")), _START_MARKER)

    def condition(self) -> Condition:
        """Tell what became of the process."""
        note = read_json(self.pid_file)
        if not note:
            return Condition.STOPPED
        if self.process:
            return Condition.RUNNING
        return Condition.DIED if note.get("host") == socket.gethostname() else Condition.ELSEWHERE


def stop(services: Sequence[Service]) -> None:
    """Stop services together, with everything they started, and remove their pid files.

    Raises
    ------
    SiteError
        If one was started on another host, or survives SIGKILL.
    """
    for service in services:
        if service.condition() == Condition.ELSEWHERE:
            raise SiteError(
                f"{service.name} was started on {read_json(service.pid_file).get('host')}: stop the site there (or, "
                f"if that machine is gone for good, remove {service.pid_file})"
            )
    running = [(service, process) for service in services if (process := service.process)]
    # Looked up before the leaders end: afterwards nobody knows whose children these were.
    descendants = [child for _, process in running for child in _children(process)]
    left = [process for _, process in running]
    for turn in range(max((len(service.stop_signals) for service in services), default=0)):
        for service, process in running:
            if turn < len(service.stop_signals):
                _send(process, service.stop_signals[turn])
        if not (left := wait_until_gone(left, max(service.patience_s for service in services))):
            break
    end([*left, *descendants], patience_s=2.0)
    for service in services:
        service.pid_file.unlink(missing_ok=True)


def end(processes: Iterable[psutil.Process], *, patience_s: float) -> None:
    """End processes: ask, wait, kill, and make sure.

    Raises
    ------
    SiteError
        If a process is still there after SIGKILL.
    """
    left = list(processes)
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        for process in left:
            _send(process, number)
        if not (left := wait_until_gone(left, wait_s)):
            return
    raise SiteError(
        f"processes {', '.join(str(process.pid) for process in left)} survived SIGKILL: they hang in a system call, "
        "most often on a file system that does not answer"
    )


def wait_until_gone(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait for processes to end, and return those that did not."""
    left = list(processes)
    deadline = time.monotonic() + timeout_s
    while left:
        psutil.wait_procs(left, 0.05)  # it collects our own children, but waits on for what others do not collect
        left = [process for process in left if _alive(process)]
        if time.monotonic() > deadline:
            break
    return left


def marked(value: str, variable: str = MARKER) -> list[psutil.Process]:
    """Return the processes with this value of an environment variable, without this one and its ancestors."""
    ours = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    return [
        process for process in psutil.process_iter() if process.pid not in ours and _mark(process, variable) == value
    ]


def marked_process(pid: int | None, value: str, variable: str = MARKER) -> psutil.Process | None:
    """Return the process of an id if it carries a mark; None if it has ended, and the id may be somebody else's."""
    deadline = time.monotonic() + _EXEC_LIMIT_S
    with suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        while process and _alive(process) and time.monotonic() < deadline:
            if environment := process.environ():
                return process if environment.get(variable) == value else None
            time.sleep(0.002)
    return None


def working_in(folder: Path, name: str) -> list[psutil.Process]:
    """Return the processes of a given name whose current directory is `folder`."""
    wanted = str(folder.resolve())
    processes = psutil.process_iter(["name", "cwd"])
    return [process for process in processes if (process.info["name"], process.info["cwd"]) == (name, wanted)]


def end_strays(
    value: str, *, variable: str = MARKER, keep: psutil.Process | None = None, patience_s: float = 3.0
) -> int:
    """End every process that carries a marker, but for `keep`, and return how many there were.

    New ones may appear while old ones end: it looks until it finds none.

    Raises
    ------
    SiteError
        If a process survives SIGKILL, or new ones keep appearing.
    """
    count = 0
    for _ in range(10):
        strays = [process for process in marked(value, variable) if process != keep]
        if not strays:
            return count
        count += len(strays)
        end(strays, patience_s=patience_s)
    raise SiteError("processes of the site keep appearing: something outside of it starts them again")


def _mark(process: psutil.Process, variable: str) -> str | None:
    # Processes of other users cannot be read, and are not ours; those that have ended have no environment.
    with suppress(psutil.Error, OSError):
        return process.environ().get(variable)
    return None


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
