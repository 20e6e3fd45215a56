"""Back ends on the clusters of the tests, and arrays whose elements do what a line of shell says."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from airflow_slurm.array import ArrayHandle, ArraySpec, JobStatus
from airflow_slurm.client import SlurmClient
from airflow_slurm.cluster_view import ClusterView
from airflow_slurm.private_cluster import PrivateCluster
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.transport import CommandTransport, Transport
from small_arrays import jobs_of

_numbers = itertools.count(1)


def make_backend(
    cluster: PrivateCluster,
    folder: Path,
    *,
    interval_s: float = 0.2,
    lost_after_s: float = 3.0,
    transport: Transport | None = None,
    **kwargs,
) -> SlurmBackend:
    """A back end in a hurry, with a view of its own in a folder."""
    client = SlurmClient(transport or CommandTransport(str(cluster.conf)), timeout_s=20.0)
    view = ClusterView(client, folder / "view", interval_s, lost_after_s=lost_after_s)
    return SlurmBackend(client, view, **{"patience_s": 20.0, "settle_s": 2.0} | kwargs)


def shell_array(folder: Path, *lines: str, token: str | None = None, **changes) -> ArraySpec:
    """An array whose element `k` runs the k-th line; its token is unique among the processes of this machine."""
    lines_folder = folder / f"lines{next(_numbers)}"
    lines_folder.mkdir(parents=True)
    for index, line in enumerate(lines):
        (lines_folder / f"{index}.sh").write_text(line)
    values = {
        "name": "stage",
        "token": f"test-{os.getpid()}-{next(_numbers)}" if token is None else token,
        "command": ("bash", "-c", 'folder=$0; for index; do . "$folder/$index.sh"; done', str(lines_folder)),
        "jobs": jobs_of(range(len(lines))),
        "log_folder": folder / "logs",
        "memory_mb": 100,
        "time_s": 600,
        "owner": "dag/run/task",
    }
    return ArraySpec(**(values | changes))


def wait_for(
    backend: SlurmBackend,
    handle: ArrayHandle,
    good: Callable[[Mapping[int, JobStatus]], bool],
    timeout_s: float = 60.0,
) -> dict[int, JobStatus]:
    """Poll until the jobs are as wanted."""
    deadline = time.monotonic() + timeout_s
    while not good(jobs := backend.poll(handle)):
        assert time.monotonic() < deadline, jobs
        time.sleep(0.05)
    return jobs


def to_the_end(backend: SlurmBackend, handle: ArrayHandle, timeout_s: float = 60.0) -> dict[int, JobStatus]:
    """Poll until every job has ended."""
    return wait_for(backend, handle, lambda jobs: all(job.state.final for job in jobs.values()), timeout_s)


def running(jobs: Mapping[int, JobStatus]) -> bool:
    """Whether all jobs run."""
    return all(job.state == "RUNNING" for job in jobs.values())
