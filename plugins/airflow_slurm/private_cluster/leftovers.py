"""Processes of a cluster that nobody looks after any more: of jobs whose slurmd is gone, and daemons never noted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil

from airflow_slurm.private_cluster import daemons
from airflow_slurm.private_cluster.launch import MARKER

_ROUNDS = 5  # new ones may appear while old ones end


def of_jobs(cluster: str, logs: Path) -> list[psutil.Process]:
    """Return the processes of all jobs.

    Parameters
    ----------
    cluster : str
        Name of the cluster.
    logs : pathlib.Path
        Folder of its logs.
    """
    jobs = daemons.with_environment(
        lambda variables: variables.get("SLURM_CLUSTER_NAME") == cluster and "SLURM_JOB_ID" in variables
    )
    # slurmstepd has no environment; it is known by the log that it keeps open.
    return jobs + daemons.with_open_file("slurmstepd", logs)


def of_daemons(conf: Path) -> list[psutil.Process]:
    """Return the daemons that were started with a slurm.conf."""
    return daemons.with_environment(lambda variables: variables.get(MARKER) == str(conf))


def end(find: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """End what is found until nothing is found, and return what lives on after all."""
    for _ in range(_ROUNDS):
        if not (left := find()):
            break
        daemons.end(left, patience_s=1.0)
    return find()
