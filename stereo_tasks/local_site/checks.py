"""What a local site adds to the doctor: its processes, its private cluster, its secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stereo_tasks.airflow_api.client import access_file
from stereo_tasks.doctor import Check, Finding
from stereo_tasks.doctor.airflow import locks
from stereo_tasks.doctor.cluster import slurm
from stereo_tasks.doctor.finding import green, red, yellow
from stereo_tasks.local_site import control
from stereo_tasks.local_site.airflow_config import airflow_home, login_file
from stereo_tasks.local_site.cluster import PrivateCluster, uses_private_cluster
from stereo_tasks.local_site.database import database_url
from stereo_tasks.local_site.processes import Condition

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings


def processes(settings: Settings) -> Iterator[Finding]:
    """Check that what was started still runs."""
    status = control.status(settings)
    if status.stopped:
        return  # the check of Airflow says so
    for name, condition in status.services.items():
        if condition != Condition.RUNNING:
            yield red(name, str(condition), f"see {settings.site.paths.state}/logs; `stereo up` starts it again")
    if status.running:
        yield green("processes", f"{', '.join(status.services)} run, {status.memory_mb:.0f} MB")
    if not settings.site.airflow.database_url and status.services.get("postgres") == Condition.RUNNING:
        yield from locks(database_url(settings, "airflow"))


def private_cluster(settings: Settings) -> Iterator[Finding]:
    """Check the site's own SLURM cluster."""
    if not uses_private_cluster(settings):
        return
    private = PrivateCluster(settings)
    conditions = private.conditions().values()
    if Condition.RUNNING in conditions:
        yield from slurm({**os.environ, "SLURM_CONF": str(private.conf)})
    elif Condition.DIED not in conditions:
        yield yellow("cluster", "the private SLURM cluster does not run", "it starts with the site: `stereo up`")


def secrets(settings: Settings) -> Iterator[Finding]:
    """Check that the state folder, and in it the files with passwords and keys, are for their owner alone."""
    state = settings.site.paths.state
    candidates = (
        login_file(settings), access_file(settings), airflow_home(settings) / "airflow.cfg", state / "keys.json",
        state / "pgpass",
    )  # fmt: skip
    present = [path for path in candidates if path.exists()]
    if not present:
        yield yellow("secrets", "there are none yet", "they are made when the site starts (`stereo up`)")
        return
    bad = False
    if stat.S_IMODE(state.stat().st_mode) & 0o077:
        bad = True
        yield red("secrets", f"others can look into {state}, with its logs and its database", f"chmod 700 {state}")
    for path in present:
        mode = path.stat()
        if stat.S_IMODE(mode.st_mode) & 0o077:
            bad = True
            text = f"{path} can be read by others (mode {stat.S_IMODE(mode.st_mode):03o})"
            yield red("secrets", text, f"chmod 600 {path}")
        if mode.st_uid != os.geteuid():
            bad = True
            yield yellow("secrets", f"{path} belongs to another user", "run stereo as the user that starts the site")
    if not bad:
        yield green("secrets", f"{len(present)} files, all for their owner alone")


CHECKS: dict[str, Check] = {"processes": processes, "private cluster": private_cluster, "secrets": secrets}
