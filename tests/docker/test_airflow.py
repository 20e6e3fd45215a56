"""Airflow as the containers have it: the same variables and scripts, with a PostgreSQL and folders of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_files import DOCKER, ROOT

from stereo_tasks.local_site.database import EmbeddedPostgres, _programs
from stereo_tasks.settings import load_settings


class Control:
    """The environment of the control image, moved to a folder."""

    def __init__(self, folder: Path, compose: dict, secrets: Path) -> None:
        self.folder, self.secrets = folder, folder / "secrets"
        shutil.copytree(secrets, self.secrets)
        self.server = EmbeddedPostgres(folder / "state", folder)
        self.server.start()
        self.address = re.search(r"@([\d.]+):(\d+)/", self.server.url("postgres"))
        pgpass = self.secrets / "pgpass"
        pgpass.write_text(pgpass.read_text().replace("postgres:5432:", f"{self.address[1]}:{self.address[2]}:"))
        site = folder / "site" / "config"
        site.mkdir(parents=True)
        for path in (DOCKER / "site").iterdir():
            (site / path.name).write_text(self.here(path.read_text()))
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "STEREO_"))}
        variables = compose["services"]["scheduler"]["environment"]
        self.environment = clean | {key: self.here(value) for key, value in variables.items()}
        self.environment |= {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}",
            "STEREO_SECRETS": str(self.secrets),
        }

    def here(self, text: str) -> str:
        """Replace the places of the containers by those of this machine."""
        text = text.replace("/run/secrets", str(self.secrets)).replace("/srv/stereo", str(self.folder / "site"))
        return text.replace("/opt/stereo", str(ROOT)).replace("@postgres/", f"@{self.address[1]}:{self.address[2]}/")

    def run(self, *command: str | Path, **more: str) -> str:
        done = subprocess.run(command, env=self.environment | more, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout


@pytest.fixture(scope="module")
def control(compose, secrets) -> Iterator[Control]:
    folder = Path(tempfile.mkdtemp(prefix="control-"))
    one = None
    try:
        one = Control(folder, compose, secrets)
        # As PostgreSQL's image runs it: psql, the superuser, an empty server.
        superuser = {"POSTGRES_USER": "stereo", "PGHOST": one.address[1], "PGPORT": one.address[2]}
        superuser |= {"PGPASSFILE": str(one.server.state / "pgpass")}
        superuser |= {"PATH": f"{_programs(one.server.data)}:{os.environ['PATH']}"}
        for database in ("airflow", "catalog"):
            one.run(
                "psql", "--dbname=postgres", "--username=stereo", f"--command=DROP DATABASE {database}", **superuser
            )
        one.run(DOCKER / "postgres" / "roles.sh", **superuser)
        yield one
    finally:
        if one:
            one.server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_airflow_reads_its_secrets_from_the_files(control):
    options = [("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret"), ("core", "auth_manager"),
               ("database", "sql_alchemy_conn"), ("core", "dags_folder"), ("api", "expose_config")]  # fmt: skip
    code = (
        "import json, os\nfrom airflow.configuration import conf\nfrom airflow.models import Connection\n"
        "slurm = Connection.from_json(os.environ['AIRFLOW_CONN_SLURM_DEFAULT'])\n"
        f"found = [conf.get(section, key) for section, key in {options}]\n"
        "print(json.dumps([*found, slurm.conn_type, slurm.host, slurm.password]))"
    )
    found = json.loads(control.run(sys.executable, "-c", code).splitlines()[-1])
    secret = {path.name: path for path in control.secrets.iterdir()}
    assert found[:3] == [secret[name].read_text() for name in ("fernet_key", "api_secret_key", "jwt_secret")]
    assert found[3].endswith("FabAuthManager")
    assert found[4].endswith(f"/airflow?passfile={secret['pgpass']}")
    assert Path(found[5], "process_night.py").exists()
    assert found[6] == "false"
    assert found[7:] == ["slurm", None, None]  # no host: the commands are in the image; nothing secret either


def test_the_keys_are_good_ones(control):
    from cryptography.fernet import Fernet

    fernet = Fernet((control.secrets / "fernet_key").read_bytes())
    assert fernet.decrypt(fernet.encrypt(b"night")) == b"night"
    assert len((control.secrets / "jwt_secret").read_text()) >= 64
    assert len((control.secrets / "munge_key").read_bytes()) >= 32


def test_the_site_of_the_containers_is_a_valid_one(control, monkeypatch):
    for name in ("STEREO_CLUSTER", "STEREO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(control.folder / "site")
    assert settings.site.name == "docker"
    assert settings.site.paths.output == control.folder / "site" / "products"
    assert settings.site.runs_on == "slurm"
    assert not settings.site.slurm.private
    assert settings.site.slurm.connection == "slurm_default"
    assert settings.site.airflow.catalog_url.endswith(f"/catalog?passfile={control.secrets / 'pgpass'}")


def test_each_database_is_its_role_s_alone(control):
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import OperationalError

    address = f"{control.address[1]}:{control.address[2]}"
    mine = f"postgresql+psycopg2://catalog@{address}/catalog?passfile={control.secrets / 'pgpass'}"
    with create_engine(mine).connect() as connection:
        connection.execute(text("CREATE TABLE trial (night text)"))
        connection.rollback()
    airflow = mine.replace("catalog@", "airflow@").replace("/catalog?", "/airflow?")
    with create_engine(airflow).connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "2min"
    password = re.search(r":catalog:catalog:(\w+)", (control.secrets / "pgpass").read_text())
    with pytest.raises(OperationalError, match="permission denied"):
        create_engine(f"postgresql+psycopg2://catalog:{password[1]}@{address}/airflow").connect()
    with pytest.raises(OperationalError, match="password authentication failed"):
        create_engine(f"postgresql+psycopg2://catalog:wrong@{address}/catalog").connect()


USERS = """
import json
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from pathlib import Path
from werkzeug.security import check_password_hash
with get_application_builder() as builder:
    found = {}
    for user in builder.sm.get_all_users():
        password = Path("SECRETS", f"{user.username}_password").read_text()
        known = check_password_hash(user.password, password)
        found[user.username] = [[role.name for role in user.roles], known]
print(json.dumps(found))
"""


def test_init_makes_schemas_and_users_and_sets_changed_passwords(control):
    printed = control.run(DOCKER / "control" / "init.sh")
    roles = {"admin": "Admin", "op": "Op", "viewer": "Viewer"}
    assert [name for name, role in roles.items() if f"user {name} made, role {role}" in printed] == list(roles)
    (control.secrets / "op_password").write_text("another-password")
    assert "made" not in control.run(sys.executable, DOCKER / "control" / "users.py")
    found = json.loads(
        control.run(sys.executable, "-c", USERS.replace("SECRETS", str(control.secrets))).splitlines()[-1]
    )
    assert found == {name: [[role], True] for name, role in roles.items()}
