"""The four Airflow components of a site: their databases brought up to date, started, and healthy."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from stereo_tasks.local_site.airflow_config import airflow_home, environment
from stereo_tasks.local_site.database import database_url
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import last_lines, read_json, write_private_json
from stereo_tasks.local_site.processes import Condition, Service, stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stereo_tasks.settings import Settings

# Without -P the working folder is on Python's path. In a checkout it has a copy of the package's metadata, and Airflow
# finds the plugin twice.
_AIRFLOW = (sys.executable, "-P", "-m", "airflow")
# The scheduler and the triggerer each offer their logs on a fixed port, for other machines. Here all share a file
# system, and two sites side by side would fight for the port.
COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_HEALTH_KEYS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
_MIGRATE_LIMIT_S = 300.0
_HEALTH_LIMIT_S = 180.0


def components(settings: Settings) -> dict[str, Service]:
    """Return the four components as services, by name."""
    # The scheduler waits for its tasks at the first SIGTERM and ends them at the second.
    twice = {"scheduler": (signal.SIGTERM, signal.SIGTERM)}
    state = settings.site.paths.state
    return {
        name: Service(name, state, stop_signals=twice.get(name, (signal.SIGTERM,)), patience_s=6.0)
        for name in COMPONENTS
    }


def stop_components(settings: Settings) -> None:
    """Stop the four components; the api-server last, since tasks report their end to it."""
    services = components(settings)
    last = services.pop("api-server")
    stop([*services.values(), Service("migrate", settings.site.paths.state)])
    stop([last])


def migrate(settings: Settings) -> None:
    """Bring the schemas of both databases up to date.

    Raises
    ------
    SiteError
        If Airflow cannot; the text has the end of its log.
    """
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate as migrate_catalog

    migrate_catalog(Catalog(database_url(settings, "catalog")))
    if _is_current(settings):
        return
    service = Service("migrate", settings.site.paths.state)
    command = [*_AIRFLOW, "db", "migrate"]
    code = service.run(command, environment(settings), limit_s=_MIGRATE_LIMIT_S)
    revision = _revision(settings)
    if code or revision is None:
        raise SiteError(f"`airflow db migrate` failed ({code}). End of {service.log}:\n{last_lines(service.log)}")
    write_private_json(_note(settings), {"airflow": version("apache-airflow"), "revision": revision})


def start(settings: Settings) -> None:
    """Start the four components; `wait_until_healthy` tells when they work."""
    for name, arguments in COMPONENTS.items():
        components(settings)[name].start([*_AIRFLOW, *arguments], environment(settings))


def wait_until_healthy(
    settings: Settings, *, port: int, since: dt.datetime, report: Callable[[str], None] | None = None
) -> None:
    """Wait until all four components work.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    port : int
        Port of the api-server.
    since : datetime.datetime
        When they were started: an older heartbeat is an earlier life's.
    report : callable, optional
        Called with the name of each component that has become healthy.

    Raises
    ------
    SiteError
        If one ends or does not become healthy in time; the text names it, with the end of its log.
    """
    deadline = time.monotonic() + _HEALTH_LIMIT_S
    services = components(settings)
    missing = set(services)
    while missing:
        healthy = _healthy(port, since)
        for name in sorted(missing & healthy):
            missing.discard(name)
            if report:
                report(name)
        for name, service in services.items():
            if service.condition() != Condition.RUNNING:
                raise SiteError(f"Airflow's {name} ended by itself. End of {service.log}:\n{last_lines(service.log)}")
        if missing and time.monotonic() > deadline:
            name = sorted(missing)[0]
            raise SiteError(
                f"Airflow's {', '.join(sorted(missing))} did not become healthy within {_HEALTH_LIMIT_S:.0f} s. "
                f"End of {services[name].log}:\n{last_lines(services[name].log)}"
            )
        if missing:
            time.sleep(0.5)


def health(port: int) -> dict[str, Any] | None:
    """Return what Airflow says of its health; None if the api-server does not answer."""
    import httpx

    try:
        # No proxy, whatever the environment says: it is this machine.
        with httpx.Client(trust_env=False, timeout=10) as client:
            answer = client.get(f"http://127.0.0.1:{port}/api/v2/monitor/health")
            content = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _healthy(port: int, since: dt.datetime) -> set[str]:
    content = health(port)
    if content is None:
        return set()
    healthy = {"api-server"} if (content.get("metadatabase") or {}).get("status") == "healthy" else set()
    for name, key in _HEALTH_KEYS.items():
        part = content.get(key) or {}
        beat = part.get(f"latest_{key}_heartbeat")
        if part.get("status") == "healthy" and beat and dt.datetime.fromisoformat(beat) >= since:
            healthy.add(name)
    return healthy


def _note(settings: Settings) -> Path:
    return airflow_home(settings) / "migrated.json"


def _is_current(settings: Settings) -> bool:
    """Tell whether this Airflow has migrated this very database before; asking Airflow itself takes 8 s."""
    note = read_json(_note(settings))
    return note.get("airflow") == version("apache-airflow") and note.get("revision") == _revision(settings)


def _revision(settings: Settings) -> str | None:
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import ProgrammingError

    engine = create_engine(database_url(settings, "airflow"), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:
        return None
    return str(revision) if revision else None
