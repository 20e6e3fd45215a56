"""Processes of a cluster that nobody looks after any more: of jobs whose slurmd is gone, and daemons never noted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from airflow_slurm.private_cluster import daemons
from airflow_slurm.private_cluster.daemons import Daemon
from airflow_slurm.private_cluster.launch import MARKER

_ROUNDS = 5  # new ones may appear while old ones end


def of_jobs(cluster: str, logs: Path) -> list[Daemon]:
    """Return the processes of all jobs.

    Parameters
    ----------
    cluster : str
        Name of the cluster.
    logs : pathlib.Path
        Folder of its logs.
    """
    name = cluster.encode()
    jobs = daemons.with_environment(lambda one: one.get(b"SLURM_CLUSTER_NAME") == name and b"SLURM_JOB_ID" in one)
    # slurmstepd has no environment; it is known by the log that it keeps open.
    return jobs + daemons.with_open_file("slurmstepd", logs)


def of_daemons(conf: Path) -> list[Daemon]:
    """Return the daemons that were started with a slurm.conf."""
    path = str(conf).encode()
    return daemons.with_environment(lambda one: one.get(MARKER.encode()) == path)


def end(find: Callable[[], list[Daemon]]) -> list[Daemon]:
    """End what is found until nothing is found, and return what lives on after all."""
    for _ in range(_ROUNDS):
        if not (found := find()):
            break
        daemons.end(found, patience_s=1.0)
    return find()
