import os
import signal
import subprocess
import time

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from stereo_tasks.catalog.database import catalog_url
from stereo_tasks.catalog.errors import NoCatalogError
from stereo_tasks.local_site.database import EmbeddedPostgres, database_url, running_database
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.processes import Condition, working_in


@pytest.fixture
def start(root):
    started = []

    def make(folder):
        server = EmbeddedPostgres(folder / "state", folder)
        started.append(server)
        server.start()
        return server

    yield make
    for server in started:
        server.stop()
        assert not working_in(server.data, "postgres")


def ask(url, query):
    with create_engine(url, poolclass=NullPool).begin() as connection:
        result = connection.execute(text(query))
        return result.scalar() if result.returns_rows else None


def test_data_outlive_a_restart(start, root):
    server = start(root)
    ask(server.url("catalog"), "CREATE TABLE night AS SELECT 20240110 AS number")
    url = server.url("catalog")
    server.stop()
    with pytest.raises(OperationalError):
        ask(url, "SELECT 1")
    with pytest.raises(SiteError, match="does not run: start it"):
        server.url("catalog")
    server.start()
    assert ask(server.url("catalog"), "SELECT number FROM night") == 20240110
    assert ask(server.url("airflow"), "SELECT current_database()") == "airflow"


def test_nobody_holds_locks_of_airflow_for_ever(start, root):
    server = start(root)
    assert ask(server.url("airflow"), "SHOW idle_in_transaction_session_timeout") == "2min"
    assert ask(server.url("catalog"), "SHOW idle_in_transaction_session_timeout") == "0"


def test_starting_twice_is_starting_once(start, root):
    server = start(root)
    url = server.url("catalog")
    server.start()
    assert server.url("catalog") == url


def test_two_at_once_and_a_path_too_long_for_a_socket(start, root):
    deep = root / ("x" * 100) / "y y%"
    deep.mkdir(parents=True)
    near, far = start(root), start(deep)
    ask(far.url("catalog"), "CREATE TABLE only_here ()")
    assert ask(near.url("catalog"), "SELECT to_regclass('only_here')") is None
    far.stop()
    assert ask(near.url("catalog"), "SELECT 1") == 1


def test_nobody_gets_in_without_the_password(start, root):
    server = start(root)
    url = make_url(server.url("catalog"))
    assert url.password is None  # it may stand in logs
    with pytest.raises(OperationalError, match="no password supplied"):
        ask(url.set(query={"passfile": "/dev/null"}), "SELECT 1")
    with pytest.raises(OperationalError, match="password authentication failed"):
        ask(url.set(password="guess"), "SELECT 1")
    assert (server.state / "pgpass").stat().st_mode & 0o777 == 0o600
    assert server.data.stat().st_mode & 0o777 == 0o700
    password = (server.state / "pgpass").read_text().strip().rpartition(":")[2]
    assert password not in server.service.log.read_text()


def test_a_killed_server_starts_again(start, root):
    server = start(root)
    ask(server.url("catalog"), "CREATE TABLE night AS SELECT 20240110 AS number")
    os.kill(server.service.process.pid, signal.SIGKILL)
    while server.service.condition() == Condition.RUNNING:
        time.sleep(0.01)
    server.start()
    assert ask(server.url("catalog"), "SELECT number FROM night") == 20240110


def test_a_half_made_data_directory_is_made_anew(start, root):
    (root / "state" / "pg.new").mkdir(parents=True)
    (root / "state" / "pg.new" / "PG_VERSION").write_text("18")
    assert ask(start(root).url("catalog"), "SELECT 1") == 1


def test_a_server_that_does_not_start_says_why(start, root):
    server = start(root)
    server.stop()
    (server.data / "global" / "pg_control").unlink()
    with pytest.raises(SiteError, match="pg_control"):
        server.start()


def test_the_catalog_is_found_as_long_as_it_runs(settings, start):
    """Other rooms ask nobody but the state folder."""
    with pytest.raises(NoCatalogError, match="start it with `stereo up`"):
        catalog_url(settings)
    server = start(settings.site.root)
    assert server.state == settings.site.paths.state
    assert ask(catalog_url(settings), "SELECT current_database()") == "catalog"
    server.stop()
    with pytest.raises(NoCatalogError):
        catalog_url(settings)


def test_it_runs_only_as_long_as_needed(settings):
    server = EmbeddedPostgres(settings.site.paths.state, settings.site.root)
    with pytest.raises(SiteError, match="does not run: start it"):
        database_url(settings, "catalog")
    with running_database(settings):
        assert ask(database_url(settings, "catalog"), "SELECT 1") == 1
        assert catalog_url(settings) == database_url(settings, "catalog")
        with running_database(settings):
            pass
        assert server.service.condition() == Condition.RUNNING
    assert server.service.condition() == Condition.STOPPED


def test_a_configured_database_goes_before_the_embedded_one(settings):
    airflow = settings.site.airflow.model_copy(update={"catalog_url": "postgresql://db.example/catalog"})
    site = settings.site.model_copy(update={"airflow": airflow})
    configured = settings.model_copy(update={"site": site})
    assert database_url(configured, "catalog") == "postgresql://db.example/catalog"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_reaches_a_site_in_a_closed_folder(start, root):
    closed = root / "closed"
    closed.mkdir(mode=0o700)
    server = start(closed)
    assert ask(server.url("catalog"), "SELECT 1") == 1
    assert closed.stat().st_mode & 0o777 == 0o700
    done = subprocess.run(["stat", "-c", "%U", f"/proc/{server.service.process.pid}"], capture_output=True, text=True)
    assert done.stdout.strip() != "root"
