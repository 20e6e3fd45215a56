"""Start, stop and look at a site."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import psutil

from stereo_tasks.airflow_api.client import access_file
from stereo_tasks.local_site import airflow_site
from stereo_tasks.local_site.airflow_config import base_path, login_file, write_config
from stereo_tasks.local_site.cluster import PrivateCluster, uses_private_cluster
from stereo_tasks.local_site.database import EmbeddedPostgres, needs_embedded
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import port_is_free, private_folder, read_json, write_private_json
from stereo_tasks.local_site.processes import Condition, Service, end_strays, marked, site_id

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings

Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """What runs of a site."""

    services: dict[str, Condition]
    healthy: dict[str, str]
    """Airflow's own word on its parts; empty if the api-server does not answer."""
    port: int | None
    processes: int
    """How many processes carry the site's marker."""
    memory_mb: float
    """What they hold together; memory that they share counts once."""

    @property
    def running(self) -> bool:
        """Whether every service of the site runs."""
        return all(condition == Condition.RUNNING for condition in self.services.values())

    @property
    def stopped(self) -> bool:
        """Whether nothing of the site runs."""
        return not self.processes and Condition.RUNNING not in self.services.values()


def up(settings: Settings, *, port: int | None = None, paused: bool = False, echo: Echo = print) -> str:
    """Start the site, wait until it works, and return its address; a site that runs already is left as it is.

    Interrupted (Ctrl-C, SIGTERM, closed terminal) or failed, it leaves nothing running.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    port : int, optional
        Port of the api-server instead of the configured one.
    paused : bool
        Whether DAGs that Airflow sees for the first time start paused.
    echo : callable
        Where progress goes, a line a call.

    Returns
    -------
    str
        Address of the user interface.

    Raises
    ------
    SiteError
        If it cannot be started; the text says which part, why, and what to do.
    """
    with signals_interrupt(), _lock(settings):
        known = status(settings)
        if known.running and known.port:
            return address(settings, known.port)
        if not known.stopped:
            echo("ending what an earlier start has left")
            _end_all(settings)
        try:
            return _start(settings, port or settings.site.airflow.port, paused=paused, echo=echo)
        except BaseException:
            echo("stopping what was started")
            with uninterrupted():
                _end_all(settings)
            raise


def down(settings: Settings) -> int:
    """Stop the site with everything it started, and return how many processes that was.

    Raises
    ------
    SiteError
        If a process survives SIGKILL, or the site was started on another host.
    """
    with _lock(settings), uninterrupted():
        before = status(settings).processes
        _end_all(settings)
        return before


def status(settings: Settings) -> SiteStatus:
    """Look at the site without touching it."""
    note = read_json(_note(settings))
    conditions = {service.name: service.condition() for service in _services(settings)}
    # Of a site that runs it counts what it was started with, not what the configuration would give now.
    if note.get("private_cluster", uses_private_cluster(settings)):
        conditions |= PrivateCluster(settings).conditions()
    port = note.get("port")
    content = airflow_site.health(port) if port and conditions["api-server"] == Condition.RUNNING else None
    processes = marked(site_id(settings.site.root))
    return SiteStatus(
        services=conditions,
        healthy={key: str(part.get("status")) for key, part in (content or {}).items() if part},
        port=port,
        processes=len(processes),
        memory_mb=sum(_memory_mb(process) for process in processes),
    )


def address(settings: Settings, port: int) -> str:
    """Return the address of the user interface."""
    return f"http://localhost:{port}{base_path(settings)}/"


def login_path(settings: Settings) -> Path:
    """Return the file with the users' passwords, which only its owner can read."""
    return login_file(settings)


def logins(settings: Settings) -> dict[str, str]:
    """Return the users of the site with their passwords. For a terminal only, never for a log."""
    return {str(user): str(password) for user, password in read_json(login_file(settings)).items()}


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a block as Ctrl-C does: with its clean-up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    with _handlers({signal.SIGTERM: interrupt, signal.SIGHUP: interrupt}):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no second Ctrl-C cut the clean-up short."""
    with _handlers({number: signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}):
        yield


@contextmanager
def _handlers(wanted: dict[signal.Signals, object]) -> Iterator[None]:
    before = {}
    for number, handler in wanted.items():
        with suppress(ValueError):  # not in the main thread: signals go elsewhere anyway
            before[number] = signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _start(settings: Settings, port: int, *, paused: bool, echo: Echo) -> str:
    if not port_is_free(port, settings.site.airflow.host):
        raise SiteError(
            f"port {port} of {settings.site.airflow.host} is taken by another program: set airflow.port in "
            f"{settings.site.root}/config/site.yaml"
        )
    if needs_embedded(settings):
        EmbeddedPostgres(settings.site.paths.state, settings.site.root).start()
        echo("database started")
    private_cluster = uses_private_cluster(settings)
    if private_cluster:
        PrivateCluster(settings).start()
        echo("private SLURM cluster started")
    write_config(settings, port=port, paused=paused)
    airflow_site.migrate(settings)
    echo("database schemas up to date")
    since = dt.datetime.now(dt.UTC)
    airflow_site.start(settings)
    write_private_json(_note(settings), {"port": port, "private_cluster": private_cluster})
    write_private_json(access_file(settings), _access(settings, port))
    airflow_site.wait_until_healthy(settings, port=port, since=since, report=lambda name: echo(f"{name} healthy"))
    return address(settings, port)


def _access(settings: Settings, port: int) -> dict[str, str]:
    """Return where Airflow is, and the login of the first administrator."""
    address = {"address": f"http://127.0.0.1:{port}{base_path(settings)}"}
    for user, role in settings.site.airflow.users.items():
        if role == "admin":
            return address | {"user": user, "password": logins(settings)[user]}
    return address


def _end_all(settings: Settings) -> None:
    airflow_site.stop_components(settings)
    database = EmbeddedPostgres(settings.site.paths.state, settings.site.root)
    try:
        # After Airflow, which would submit again what is ended here; by SLURM's own means, not as strays.
        PrivateCluster(settings).stop()
    finally:
        # The database goes last, so that nothing that ends finds it gone; strays before it, as they may use it.
        keep = database.service.process
        end_strays(site_id(settings.site.root), keep=keep)
        database.stop()
        end_strays(site_id(settings.site.root))
        for path in (_note(settings), access_file(settings)):
            path.unlink(missing_ok=True)


def _services(settings: Settings) -> list[Service]:
    database = [EmbeddedPostgres(settings.site.paths.state, settings.site.root).service]
    return [*(database if needs_embedded(settings) else []), *airflow_site.components(settings).values()]


def _note(settings: Settings) -> Path:
    return settings.site.paths.state / "site.json"


def _memory_mb(process: psutil.Process) -> float:
    """Return the proportional share of a process in the memory it uses."""
    with suppress(psutil.Error, OSError):
        return float(process.memory_full_info().pss) / 1e6
    return 0.0


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """Let one command at a time start or stop the site."""
    path = settings.site.paths.state / "site.lock"
    private_folder(path.parent)  # passwords, keys, logs and the database
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SiteError(
                f"another command starts or stops this site right now (process {file.read().strip() or '?'})"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
