"""Services: detached processes with a pid file and a log each, that outlive the command that started them."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import read_json, write_private_json
from stereo_tasks.local_site.proc import MARKER, Identity, boot_id, end, family, marked, wait_until_gone

_LOG_LIMIT_BYTES = 20_000_000
_children: dict[int, subprocess.Popen[bytes]] = {}  # kept, so that those that ended can be collected


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
        """Where the identity of the process is kept."""
        return self.state / "pids" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """Where the process writes."""
        return self.state / "logs" / f"{self.name}.log"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Identity:
        """Start the service in a session of its own, so that no terminal and no Ctrl-C reaches it.

        Raises
        ------
        SiteError
            If it runs already.
        """
        if self.condition() in (Condition.RUNNING, Condition.ELSEWHERE):
            raise SiteError(f"{self.name} runs already ({self.pid_file}): stop the site first")
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[child.pid] = child
        identity = Identity.of(child.pid, ended_too=True)
        if identity is None:
            raise SiteError(f"{self.name} vanished while it started; see {self.log}")
        write_private_json(self.pid_file, asdict(identity))
        return identity

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, limit_s: float) -> int:
        """Run a command to its end as this service, and return its exit code.

        Raises
        ------
        SiteError
            If it takes longer than `limit_s`; it is stopped then.
        """
        child = _children[self.start(command, environment).pid]
        try:
            return child.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise SiteError(f"{self.name} takes longer than {limit_s:.0f} s; see {self.log}") from None
        finally:
            stop([self])

    @property
    def identity(self) -> Identity | None:
        """The process as it was started; None if it was not."""
        content = read_json(self.pid_file)
        try:
            return Identity(**content)
        except TypeError:
            return None

    def condition(self) -> Condition:
        """Tell what became of the process."""
        identity = self.identity
        if identity is None:
            return Condition.STOPPED
        _reap()
        if identity.alive():
            return Condition.RUNNING
        if identity.boot != boot_id() and identity.host != socket.gethostname():
            return Condition.ELSEWHERE
        return Condition.DIED


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
                f"{service.name} was started on {service.identity.host if service.identity else '?'}: stop the site "
                f"there (or, if that machine is gone for good, remove {service.pid_file})"
            )
    running = [(one, one.identity) for one in services if one.condition() == Condition.RUNNING]
    # Looked up before the leaders end: afterwards nobody knows whose children these were.
    families = family([identity.pid for _, identity in running if identity])
    left = [identity for _, identity in running if identity]
    for turn in range(max((len(service.stop_signals) for service in services), default=0)):
        for service, identity in running:
            if identity and turn < len(service.stop_signals):
                identity.send(service.stop_signals[turn])
        left = wait_until_gone(left, max(service.patience_s for service in services))
        if not left:
            break
    end(left, patience_s=10.0, first=signal.SIGKILL)
    end(families, patience_s=2.0)
    _reap()
    for service in services:
        service.pid_file.unlink(missing_ok=True)


def end_strays(value: str, *, variable: str = MARKER, keep: Identity | None = None, patience_s: float = 3.0) -> int:
    """End every process that carries a marker, but for `keep`, and return how many there were.

    New ones may appear while old ones end: it looks until it finds none.

    Raises
    ------
    SiteError
        If a process survives SIGKILL, or new ones keep appearing.
    """
    count = 0
    for _ in range(10):
        _reap()
        found = [one for one in marked(value, variable) if one != keep]
        if not found:
            return count
        count += len(found)
        end(found, patience_s=patience_s)
    raise SiteError("processes of the site keep appearing: something outside of it starts them again")


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]
