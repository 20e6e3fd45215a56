"""Where things are on this site, and what it runs on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from stereo_tasks.settings.citation import Citation
from stereo_tasks.settings.model import Model
from stereo_tasks.settings.units import Duration, Memory

CLUSTER_VARIABLE = "STEREO_CLUSTER"
"""Environment variable that says where arrays run, whatever `site.yaml` says."""

CATALOG_URL_FILE = "catalog_url"
"""File in `state` with the URL of the catalog, as long as a local site's embedded database runs."""
AIRFLOW_ACCESS_FILE = "airflow_access.json"
"""File in `state` that says where Airflow is and who logs in, as long as a local site runs."""

IDLE_IN_TRANSACTION_S = 120
"""How long a session of Airflow may do nothing in the middle of a transaction.

The worker processes of a scheduler that was killed keep its connections open, and with them its locks on runs of DAGs:
for the next scheduler, these runs would never go on.
"""


class Paths(Model):
    """Folders and files of the site. Relative paths are below the site's root."""

    data: Path
    """Where simulated nights are written."""
    stereo_log: str | Path
    """A file, a folder with autoMCP's tables, or the address (https://...) of the sheet's CSV export."""
    automcp: Path | None = None
    """A file or folder with autoMCP's tables, which know the NSB of each run, where the log is the sheet."""
    magic_calibrated: Path
    lst_dl1: Path
    lst_dl2: Path | None = None
    """lstchain's DL2 of LST-1 alone, for the data sets; null where there is none."""
    melibea: Path | None = None
    """MARS's melibea files of MAGIC alone, for the data sets; null where there are none."""
    monte_carlo: Path
    models: Path
    irfs: Path
    output: Path
    state: Path
    backups: Path
    """Of the catalog's database."""


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


class Slurm(Model):
    """The SLURM cluster of the site. How to reach one that is not private stands in its connection in Airflow."""

    private: bool = True
    """Whether it is a cluster of the site's own on this machine: `stereo up` starts it, `stereo down` ends it."""
    connection: str = Field(default="slurm_default", pattern=r"[A-Za-z0-9_]+")
    """Airflow's connection of the cluster. That of a private cluster is made by `stereo up`."""
    partition: str | None = None
    """Where jobs run if their stage does not say; null leaves it to the cluster."""
    account: str | None = None
    qos: str | None = None
    nodes: int = Field(default=1, ge=1)
    """Nodes of a private cluster."""
    cpus: int | None = Field(default=None, ge=1)
    """Processors that each node of a private cluster claims; null: so many that `workers` jobs run at a time."""
    memory: Memory | None = None
    """Memory that each node of a private cluster claims; null: enough for that many jobs of any stage."""
    max_time: Duration | None = None
    """Longest job of the usual partition of a private cluster, to try out what a real one gives; null for no limit."""
    accounting: bool | None = None
    """Whether a private cluster keeps a database of jobs; null: where slurmdbd and MariaDB are installed."""
    poll_interval: Duration = Field(default="0.5 s", validate_default=True)
    """Pause between two looks at the queue of a private cluster."""


class Site(Model):
    """One installation: its name, paths, cluster and Airflow."""

    name: str
    root: Path
    paths: Paths
    science_python: Path
    """The interpreter of the science environment, as the compute nodes see it."""
    analysis_python: Path
    """The interpreter of the analysis environment, with the newest gammapy."""
    cluster: Literal["auto", "local", "slurm"] = "auto"
    """Where arrays run: ``local`` is a process pool on this machine, ``auto`` SLURM where it is installed."""
    slurm: Slurm = Slurm()
    job_time_max: Duration = Field(default="8 h", validate_default=True)
    """No job is planned longer than this; a partition may allow less."""
    job_time_margin: float = Field(default=3.0, ge=1)
    """By how much the time limit of a job exceeds what its elements are expected to need."""
    backups_kept: int = Field(default=14, ge=1)
    """Daily backups of the catalog that stay."""
    workers: int = Field(default=2, ge=1)
    """Jobs at a time: the size of the process pool and of a private cluster; a stage is cut into so many jobs."""
    airflow: AirflowSite
    citation: Citation = Citation()
    """Who made what this site publishes."""

    @field_validator("cluster", mode="before")
    @classmethod
    def _environment_first(cls, value: Any) -> Any:
        return os.environ.get(CLUSTER_VARIABLE) or value

    def python(self, environment: Literal["science", "analysis"]) -> Path:
        """Return the interpreter of an environment."""
        return self.analysis_python if environment == "analysis" else self.science_python

    @property
    def runs_on(self) -> Literal["local", "slurm"]:
        """Where arrays run on this machine."""
        if self.cluster != "auto":
            return self.cluster
        folders = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
        return "slurm" if not self.slurm.private or shutil.which("slurmctld", path=folders) else "local"
