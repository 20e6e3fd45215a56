"""Where things are on this site, and what it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from stereo_tasks.settings.model import Model


class Paths(Model):
    """Folders and files of the site. Relative paths are below the site's root."""

    data: Path
    """Where simulated nights are written."""
    stereo_log: Path
    magic_calibrated: Path
    lst_dl1: Path
    monte_carlo: Path
    models: Path
    irfs: Path
    output: Path
    state: Path


class AirflowSite(Model):
    """The four Airflow components of the site."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    database_url: str | None = None
    """SQLAlchemy URL of Airflow's database; null starts an embedded PostgreSQL."""
    catalog_url: str | None = None
    """SQLAlchemy URL of the catalog; null uses the embedded PostgreSQL."""
    users: dict[str, Literal["admin", "op", "user", "viewer"]] = Field(min_length=1)
    parallelism: int = Field(default=8, ge=1)


class Site(Model):
    """One installation: its name, paths, cluster and Airflow."""

    name: str
    root: Path
    paths: Paths
    science_python: Path
    """The interpreter of the science environment, as the compute nodes see it."""
    cluster: Literal["local"] = "local"
    """Where arrays run: ``local`` is a process pool on this machine."""
    workers: int = Field(default=2, ge=1)
    """Jobs at a time on the local back end."""
    airflow: AirflowSite
