"""Who a task is: the names that its arrays carry, and whether it is still wanted."""

from __future__ import annotations

import hashlib
import re
from typing import Any

_UNWANTED = {"failed", "success", "skipped", "upstream_failed", "removed", "restarting"}
"""States that a person gives to a task whose process still runs; ``restarting`` is a running task that was cleared."""


def safe_name(name: str) -> str:
    """Return a name with only letters, digits, and ``._-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def token_prefix(what: str, ti: Any) -> str:
    """Return how the tokens of all arrays of a task begin: readable, and unique among all tasks of all runs."""
    identity = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
    return f"{safe_name(what)[:40]}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}-"


def owner(ti: Any) -> str:
    """Return the try of a task as one text: what `parse_owner` takes apart."""
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}/{ti.try_number}"


def parse_owner(text: str) -> tuple[str, str, str, int] | None:
    """Return the DAG, run, task and map index of an owner; None if it is none."""
    # A run may be called anything; the other names have no slash.
    head, *tail = text.rsplit("/", 3)
    dag_id, _, run_id = head.partition("/")
    try:
        task_id, map_index, _ = tail
        return (dag_id, run_id, task_id, int(map_index)) if dag_id and run_id and task_id else None
    except ValueError:
        return None


def is_unwanted(ti: Any) -> bool:
    """Tell whether a person has ended a task whose process was told to end.

    A process is also told to end when its worker is shut down, or when a scheduler that was started anew has given the
    task to another process: nobody has asked for the end of the jobs then.
    """
    try:
        states = ti.get_task_states(ti.dag_id, map_index=ti.map_index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # noqa: BLE001 - Airflow does not answer, so no person can have told it anything
        return False
    known = states.get(ti.run_id, {})
    name = ti.task_id if ti.map_index is None or ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"
    return name not in known or str(known[name]) in _UNWANTED
