"""Jobs of ours that no task looks after any more."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_slurm.client import OurJob, SlurmClient
from airflow_slurm.task_identity import parse_owner

_OVER = {"success", "failed", "skipped", "upstream_failed", "removed"}
"""States of tasks that neither watch jobs nor will take over what an earlier try has left."""
_CANCEL_LIMIT_S = 60.0

StatesOfRun = Callable[[str, str], Mapping[str, str | None]]
"""Gives the states of all tasks of a run, by task id (with ``_`` and the map index, if mapped)."""


class OrphanPolicy(StrEnum):
    """What is done with them."""

    CANCEL = "cancel"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Orphan:
    """The jobs of an array that no task looks after."""

    token: str
    owner: str
    why: str
    ids: tuple[str, ...]
    """What SLURM calls the arrays."""
    jobs: int
    certain: bool
    """Whether it is known that nobody wants them; if not, they are never cancelled."""

    def __str__(self) -> str:
        return f"{self.token} (SLURM {', '.join(self.ids)}, {self.jobs} jobs) of {self.owner or 'nobody'}: {self.why}"


def find_orphans(jobs: Iterable[OurJob], states: StatesOfRun, *, grace_s: float, now: dt.datetime) -> list[Orphan]:
    """Return the arrays that no task looks after.

    Parameters
    ----------
    jobs : iterable of OurJob
        The jobs of this installation that have not ended.
    states : callable
        Gives the states of the tasks of a run; empty if Airflow does not know the run.
    grace_s : float
        Jobs younger than this are left alone: their task may be about to change its state, or to be tried again.
    now : datetime.datetime
        The time, with zone.
    """
    arrays: dict[tuple[str, str], list[OurJob]] = defaultdict(list)
    for job in jobs:
        arrays[job.token, job.owner].append(job)
    known: dict[tuple[str, str], Mapping[str, str | None]] = {}
    orphans = []
    for (token, owner), members in sorted(arrays.items()):
        submitted = [job.submitted_utc for job in members if job.submitted_utc is not None]
        if submitted and (now - max(submitted)).total_seconds() < grace_s:
            continue
        parts = parse_owner(owner)
        if parts is not None and parts[:2] not in known:
            known[parts[:2]] = states(*parts[:2])
        why = "its owner is no task" if parts is None else _why(parts, known[parts[:2]])
        if why:
            ids = tuple(sorted({job.job_id.partition("_")[0] for job in members}))
            orphans.append(Orphan(token, owner, why, ids, len(members), certain=parts is not None))
    return orphans


def _why(owner: tuple[str, str, str, int], states: Mapping[str, str | None]) -> str:
    """Say why a task does not look after its jobs; empty if it does."""
    _, _, task_id, map_index = owner
    name = task_id if map_index < 0 else f"{task_id}_{map_index}"
    if name not in states:
        return "Airflow does not know its task any more"
    state = str(states[name])
    return f"its task has ended ({state})" if state in _OVER else ""


def end_orphans(client: SlurmClient, installation: str, orphans: Sequence[Orphan]) -> None:
    """Cancel what is certain, and wait until it is gone.

    Raises
    ------
    RuntimeError
        If something still runs after a minute.
    """
    ids = [number for orphan in orphans if orphan.certain for number in orphan.ids]
    if not ids:
        return
    client.cancel_jobs(ids)
    deadline = time.monotonic() + _CANCEL_LIMIT_S
    while left := {job.job_id.partition("_")[0] for job in client.our_jobs(installation)} & set(ids):
        if time.monotonic() > deadline:
            raise RuntimeError(f"cancelled {_CANCEL_LIMIT_S:.0f} s ago and still there: {', '.join(sorted(left))}")
        time.sleep(1)


def look_after_orphans(slurm_conn_id: str, policy: str, grace_s: float, ti: Any) -> list[str]:
    """Find orphans on a cluster, and deal with them; what a task of a DAG calls.

    Parameters
    ----------
    slurm_conn_id : str
        The cluster.
    policy : str
        An `OrphanPolicy`.
    grace_s : float
        As in `find_orphans`, in seconds.
    ti : RuntimeTaskInstance
        The running task, through which Airflow is asked for the states of others.

    Returns
    -------
    list of str
        A line for each array without owner.
    """
    from airflow_slurm.hook import SlurmHook

    def states(dag_id: str, run_id: str) -> Mapping[str, str | None]:
        by_run: Mapping[str, Mapping[str, str | None]] = ti.get_task_states(dag_id=dag_id, run_ids=[run_id])
        return by_run.get(run_id, {})

    hook = SlurmHook(slurm_conn_id)
    client, installation = hook.client(), hook.installation
    now = dt.datetime.now(dt.UTC)
    orphans = find_orphans(client.our_jobs(installation), states, grace_s=grace_s, now=now)
    if OrphanPolicy(policy) == OrphanPolicy.CANCEL:
        end_orphans(client, installation, orphans)
    return [str(orphan) for orphan in orphans]
