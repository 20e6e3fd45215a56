"""What Airflow knows of runs of `process_night`, and where it shows them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger(__name__)
DAG = "process_night"
_IN_A_SOURCE = "source."


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a run."""

    name: str
    """Without the name of its group."""
    source: str
    """Which source it works on; empty where it works on the night."""
    state: str
    """Airflow's own word; ``not yet`` if it has none."""
    address: str
    """Of its log, below Airflow's first page."""
    begun: float
    """When, in s since 1970 UTC; infinite if it has not."""


def run_address(run_id: str) -> str:
    """Return where Airflow shows a run, below its first page."""
    return f"dags/{DAG}/runs/{quote(run_id, safe='')}"


def tasks_of(runs: Iterable[str]) -> dict[str, tuple[Task, ...]]:
    """Return the tasks of some runs in the order in which they begin; nothing where Airflow's database is away."""
    columns: tuple[Any, ...] = (
        TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index, TaskInstance.rendered_map_index,
        TaskInstance.state, TaskInstance.start_date,
    )  # fmt: skip
    statement = select(*columns).where(TaskInstance.dag_id == DAG, TaskInstance.run_id.in_(tuple(runs)))
    found: defaultdict[str, list[Task]] = defaultdict(list)
    try:
        with create_session() as session:
            for run, task, index, label, state, begun in session.execute(statement):
                address = f"{run_address(run)}/tasks/{quote(task, safe='')}"
                if index >= 0:
                    address += f"/mapped/{index}"
                source = (label or f"source {index + 1}") if index >= 0 else ""
                name = task.removeprefix(_IN_A_SOURCE)
                time = begun.timestamp() if begun else float("inf")
                found[run].append(Task(name, source, str(state or "not yet"), address, time))
    except SQLAlchemyError as error:
        _log.warning("cannot ask for the tasks of runs: %s", type(error).__name__)
        return {}
    return {run: tuple(sorted(tasks, key=lambda task: (task.begun, task.name))) for run, tasks in found.items()}
