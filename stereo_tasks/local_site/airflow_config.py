"""Airflow's configuration of a site, written to files that only their owner can read.

Settings go into ``airflow.cfg`` and not into the environment: an environment is handed down to every child, and a key
in it would end up in logs and in the cluster's accounting. It also lets ``airflow`` be called by hand with nothing but
``AIRFLOW_HOME``.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.local_site.cluster import cluster_environment
from stereo_tasks.local_site.database import catalog_environment, database_url
from stereo_tasks.local_site.files import private_folder, read_json, write_private, write_private_json
from stereo_tasks.local_site.processes import MARKER, site_id

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings


def airflow_home(settings: Settings) -> Path:
    """Return Airflow's folder of the site."""
    return settings.site.paths.state / "airflow"


def login_file(settings: Settings) -> Path:
    """Return the file with the users' passwords (JSON: user to password)."""
    return airflow_home(settings) / "passwords.json"


def dags_folder() -> Path:
    """Return the folder of the DAGs: ``$STEREO_DAGS``, else `dags/` of this checkout."""
    return Path(os.environ.get("STEREO_DAGS") or Path(__file__).parents[2] / "dags").absolute()


def base_path(settings: Settings) -> str:
    """Return the path that the interface is served at.

    Cookies know hosts and paths, and no ports: with a path of its own, the login of a site is not taken for that of
    another one on the same host.
    """
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in settings.site.name)
    return f"/{name}-{site_id(settings.site.root)[:6]}"


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the Airflow components; there is no secret of the site in it."""
    # Airflow's variables of the caller belong to another installation and would override this site's configuration.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    local = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost"]))
    return kept | {
        "AIRFLOW_HOME": str(airflow_home(settings)),
        "STEREO_SITE": str(settings.site.root),
        **catalog_environment(settings),
        **cluster_environment(settings),
        MARKER: site_id(settings.site.root),
        "SPT_NOENV": "1",  # else process titles are written over the environment, and the marker with it
        "NO_PROXY": local,  # the components talk to each other; a proxy must not come between
        "no_proxy": local,
        "PYTHONUNBUFFERED": "1",
    }


def write_config(settings: Settings, *, port: int, paused: bool) -> None:
    """Write ``airflow.cfg`` and the passwords; secrets that exist are kept.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    port : int
        Port of the api-server.
    paused : bool
        Whether DAGs that Airflow sees for the first time start paused.
    """
    home = airflow_home(settings)
    private_folder(home)
    (home / "plugins").mkdir(exist_ok=True)
    users = settings.site.airflow.users
    known = read_json(login_file(settings))
    # Airflow makes up missing passwords by itself, but prints them to its log.
    passwords = {user: known.get(user) or secrets.token_urlsafe(12) for user in users}
    if passwords != known:
        write_private(login_file(settings), json.dumps(passwords) + "\n")
    parser = RawConfigParser()
    for section, options in _options(settings, port=port, paused=paused).items():
        # Airflow's parser expands %: a literal one is written twice.
        parser[section] = {key: str(value).replace("%", "%%") for key, value in options.items()}
    text = StringIO()
    parser.write(text)
    write_private(home / "airflow.cfg", f"# Written by `stereo up`: changes are lost.\n\n{text.getvalue()}")


def _options(settings: Settings, *, port: int, paused: bool) -> dict[str, dict[str, object]]:
    home, site = airflow_home(settings), settings.site.airflow
    keys = _keys(settings)
    return {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": site.parallelism,
            "dags_folder": dags_folder(),
            # The plugins are installed packages with entry points; a folder would load them twice.
            "plugins_folder": home / "plugins",
            "load_examples": False,
            "dags_are_paused_at_creation": paused,
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in site.users.items()),
            "simple_auth_manager_passwords_file": login_file(settings),
            "execution_api_server_url": f"http://127.0.0.1:{port}{base_path(settings)}/execution/",
            "fernet_key": keys["fernet"],
            "min_serialized_dag_update_interval": 5,
        },
        "database": {"sql_alchemy_conn": database_url(settings, "airflow")},
        "api": {
            "host": site.host,
            "port": port,
            "base_url": f"http://localhost:{port}{base_path(settings)}",
            "workers": 1,
            "secret_key": keys["api"],
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": keys["jwt"]},
        "logging": {"base_log_folder": home / "logs", "colored_console_log": False},
        # A handful of DAG files and one machine: quick reactions cost nothing here.
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "scheduler_heartbeat_sec": 2,
            "orphaned_tasks_check_interval": 60,  # how soon tasks that a dead scheduler had taken are given to another
            "task_instance_heartbeat_timeout": 90,  # how soon tasks that a `down` cut off are tried again
        },
        # Jobs keep all cores of a small machine busy; the default of 5 s fails tasks whose only fault is a slow answer.
        "workers": {"execution_api_timeout": 60},
        "dag_processor": {"parsing_processes": 1, "refresh_interval": 30, "min_file_process_interval": 30},
    }


def _keys(settings: Settings) -> dict[str, str]:
    """Return the site's keys, made once."""
    path = settings.site.paths.state / "keys.json"
    keys = read_json(path)
    if not keys:
        keys = {
            "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api": secrets.token_hex(32),
            "jwt": secrets.token_hex(64),
        }
        write_private_json(path, keys)
    return keys
