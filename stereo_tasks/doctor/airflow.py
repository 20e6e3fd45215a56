"""Airflow: its components, its DAGs, its version, its locks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from stereo_tasks.airflow_api.client import AirflowApi, access_file, site_api
from stereo_tasks.airflow_api.errors import AirflowApiError
from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings
from stereo_tasks.settings.site import IDLE_IN_TRANSACTION_S

NEEDED_DAGS = ("detect_nights", "request_nights", "process_night")


def airflow(settings: Settings) -> Iterator[Finding]:
    """Check what runs of Airflow, and whether it knows the DAGs and lets them run."""
    if settings.site.airflow.database_url:
        yield from locks(settings.site.airflow.database_url)
    if not access_file(settings).exists():
        yield yellow("Airflow", "the site does not run", "start it with `stereo up`; nothing is processed until then")
        return
    try:
        with site_api(settings) as api:
            yield from components(api)
            yield from dags(api)
    except AirflowApiError as error:
        yield red("Airflow", str(error), "`stereo down`, then `stereo up`")


def components(api: AirflowApi) -> Iterator[Finding]:
    """Check what Airflow says of its own parts."""
    health = {name: str(part["status"]) for name, part in api.get("/api/v2/monitor/health").items() if part}
    for name, word in health.items():
        if word != "healthy":
            yield red(f"Airflow's {name}", f"says {word}", "see `stereo site-status` and its log")
    if all(word == "healthy" for word in health.values()):
        yield green("Airflow", f"{', '.join(health)} are healthy")


def locks(url: str) -> Iterator[Finding]:
    """Check that PostgreSQL ends sessions of Airflow that hold locks and do nothing.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of Airflow's database; of one that is no PostgreSQL nothing is said.
    """
    from sqlalchemy import NullPool, create_engine, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    if make_url(url).get_backend_name() != "postgresql":
        return
    try:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            limit = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
            name = connection.scalar(text("SELECT current_database()"))
    except SQLAlchemyError as error:
        yield red("Airflow's database", str(error).splitlines()[0], "see `stereo site-status`")
        return
    if limit == "0":
        yield yellow(
            "Airflow's database",
            "keeps the locks of a scheduler that was killed: its runs may never go on",
            f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'",
        )


def dags(api: AirflowApi) -> Iterator[Finding]:
    """Check the DAGs: errors on import, missing and paused ones, and the version that runs."""
    running, installed = str(api.get("/api/v2/version")["version"]), version("apache-airflow")
    if running != installed:
        yield red("Airflow", f"{running} runs, {installed} is installed", "`stereo down`, then `stereo up`")
    for error in api.get("/api/v2/importErrors")["import_errors"]:
        last = str(error["stack_trace"]).strip().splitlines()[-1]
        yield red("DAG file", f"{error['filename']} cannot be read: {last}", "correct it; the whole text is in the UI")
    known = {str(dag["dag_id"]): bool(dag["is_paused"]) for dag in api.get("/api/v2/dags", limit=100)["dags"]}
    if missing := [name for name in NEEDED_DAGS if name not in known]:
        yield red("DAGs", f"Airflow does not know {', '.join(missing)}", "wait a minute, then see the dag-processor")
    if paused := [name for name, stopped in sorted(known.items()) if stopped]:
        needed = any(name in NEEDED_DAGS for name in paused)
        text = f"{', '.join(paused)} paused"
        yield yellow("DAGs", text, "unpause them in the UI" + ("; no night is processed meanwhile" if needed else ""))
    if not missing and not paused:
        yield green("DAGs", f"{len(known)}, all can run")
