"""The private SLURM cluster of a site: started before Airflow, ended with all its jobs, known to Airflow by name."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import last_lines, read_json
from stereo_tasks.local_site.processes import MARKER, Condition, Service, marked_process, site_id
from stereo_tasks.settings.site import CLUSTER_VARIABLE
from stereo_tasks.stages import stages

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings

_START_LIMIT_S = 300.0  # missing packages are installed then
_STOP_LIMIT_S = 60.0
_NICENESS = 5  # jobs stand back behind Airflow, as they do in the process pool
_GROWTH = 4  # of the memory of a job, by repair

_OPTIONS = {
    # Jobs that exceed their memory end, as they do in the process pool; cgroups, which are better, need root.
    "JobAcctGatherParams": "OverMemoryKill",
}


def uses_private_cluster(settings: Settings) -> bool:
    """Tell whether the arrays of the site run on a SLURM cluster of its own."""
    return settings.site.runs_on == "slurm" and settings.site.slurm.private


def cluster_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables that tell Airflow where arrays run. There is no secret in them."""
    variables: dict[str, str] = {CLUSTER_VARIABLE: settings.site.runs_on}
    if uses_private_cluster(settings):
        cluster = PrivateCluster(settings)
        slurm = settings.site.slurm
        extra = {
            "slurm_conf": str(cluster.conf),
            "poll_interval_s": slurm.poll_interval.to_value("s"),
            "state_folder": str(cluster.folder / "view"),
            "installation": cluster.installation,
        }
        connection = {"conn_type": "slurm", "description": "the site's private cluster", "extra": extra}
        variables[f"AIRFLOW_CONN_{slurm.connection.upper()}"] = json.dumps(connection)
    return variables


@dataclass(frozen=True, slots=True)
class PrivateCluster:
    """A real SLURM on this machine, for one site.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    """

    settings: Settings

    @property
    def folder(self) -> Path:
        """Where its configuration, logs and state are."""
        return self.settings.site.paths.state.resolve() / "slurm"

    @property
    def conf(self) -> Path:
        """Its slurm.conf; the same at each start."""
        return self.folder / "slurm.conf"

    @property
    def installation(self) -> str:
        """The name that marks the site's jobs."""
        return f"stereo-{site_id(self.settings.site.root)}"

    def start(self) -> None:
        """Start it, and wait until it takes jobs.

        Raises
        ------
        SiteError
            If it cannot be started; the text has the reason.
        """
        if problem := self._run("start", *self._shape(), limit_s=_START_LIMIT_S):
            raise SiteError(
                f"the private SLURM cluster did not start:\n{problem}\n"
                "`make up CLUSTER=local` (or cluster: local in config/site.yaml) works without SLURM"
            )

    def stop(self) -> None:
        """End it with all its jobs; nothing happens if it does not run.

        The queue stays: at the next start jobs that waited go on, and those that ran have ended with their node, so
        that the tasks which watch them submit them again. Cancelled jobs would be somebody's decision, for good.

        Raises
        ------
        SiteError
            If something of it goes on.
        """
        if self._note.exists() and (problem := self._run("stop", "--keep-queue", limit_s=_STOP_LIMIT_S)):
            raise SiteError(f"the private SLURM cluster did not stop:\n{problem}")

    def conditions(self) -> dict[str, Condition]:
        """Return what is known of each daemon; one entry if it is stopped."""
        daemons = read_json(self._note).get("daemons") or {}
        conditions = {}
        for name, content in daemons.items():
            process = marked_process(content["pid"], site_id(self.settings.site.root))
            conditions[name] = Condition.RUNNING if process else Condition.DIED
        return conditions or {"slurm": Condition.STOPPED}

    @property
    def _note(self) -> Path:
        # Written by the cluster itself: its daemons, while they run.
        return self.folder / "cluster.json"

    def _run(self, action: str, *arguments: str, limit_s: float) -> str:
        """Run the cluster's own command, and return what it says if it fails."""
        service = Service(f"slurm-{action}", self.settings.site.paths.state, patience_s=20.0)
        service.log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "airflow_slurm.private_cluster", action, str(self.folder), *arguments]
        environment = {**os.environ, MARKER: site_id(self.settings.site.root)}
        return last_lines(service.log, 30) if service.run(command, environment, limit_s=limit_s) else ""

    def _shape(self) -> list[str]:
        site = self.settings.site
        slurm = site.slurm
        per_node = math.ceil(site.workers / slurm.nodes)
        largest_mb = max(self.settings.cost(stage).memory_mb for stage in stages())
        memory_mb = slurm.memory.to_value("MB") if slurm.memory is not None else largest_mb * _GROWTH * per_node
        limit = "INFINITE" if slurm.max_time is None else math.floor(slurm.max_time.to_value("min"))
        shape = [
            f"--nodes={slurm.nodes}",
            f"--cpus-per-node={slurm.cpus or per_node}",
            f"--memory-mb={math.ceil(memory_mb)}",
            f"--niceness={_NICENESS}",
            f"--partition=long:Default=YES MaxTime={limit}",
            "--partition=short:MaxTime=60",  # to try out partitions
            *(f"--option={key}={value}" for key, value in _OPTIONS.items()),
        ]
        if slurm.accounting or (slurm.accounting is None and _has_accounting()):
            shape.append("--accounting")
        return shape


def _has_accounting() -> bool:
    folders = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    return all(shutil.which(name, path=folders) for name in ("slurmdbd", "mariadbd", "mariadb"))
