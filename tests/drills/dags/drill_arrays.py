"""Arrays of small shell commands, whose elements do what files say."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from airflow.sdk import DAG, Param, task
from airflow_slurm.operator import SlurmArrayOperator
from airflow_slurm.repair import RepairPolicy

POLICY = RepairPolicy(memory_factor=2, memory_ceiling_mb=800, time_factor=2, time_ceiling_s=120)


@dataclass
class Elements:
    """The elements of a folder that have no good record."""

    folder: str
    name: str
    command: tuple[str, ...]
    indices: tuple[int, ...]
    total: int
    log_folder: str
    memory_mb: int
    element_time_s: dict[int, float]
    start_s: float = 0
    job_time_max_s: float = 86_400
    per_job: int = 1
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a record says."""

    state: str | None
    reason: str = ""


def outcomes(folder: str) -> dict[int, Outcome]:
    """Read the records."""
    return {
        int(path.stem): Outcome(path.read_text().strip() or None, "its record says so")
        for path in Path(folder).glob("*.record")
    }


def array(folder: str) -> Elements:
    """Return what is left to be done."""
    with (Path(folder) / "task.pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    stage = json.loads((Path(folder) / "stage.json").read_text())
    known = outcomes(folder)
    left = tuple(index for index in range(stage["elements"]) if index not in known or known[index].state != "done")
    return Elements(
        folder=folder,
        name=Path(folder).name,
        command=("/bin/sh", f"{folder}/worker.sh", folder, str(stage["sleep_s"])),
        indices=left,
        total=stage["elements"],
        log_folder=f"{folder}/logs",
        memory_mb=stage.get("memory_mb", 100),
        element_time_s=dict.fromkeys(left, stage.get("time_s", 600)),
    )


def backend():
    """Return the cluster."""
    from airflow_slurm.slurm import SlurmBackend

    return SlurmBackend.from_connection()


def report(folder: str, jobs: list[dict]) -> None:
    """Write down what is known of jobs."""
    with (Path(folder) / "jobs.jsonl").open("a") as file:
        for job in jobs:
            file.write(json.dumps(job, default=str) + "\n")


COMMON = {
    "array": array,
    "outcomes": outcomes,
    "backend": backend,
    "report": report,
    "repair": POLICY,
    "fail_on": "any",
    "retries": 3,
    "retry_delay": dt.timedelta(seconds=2),
}
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

for dag_id, defer_after_s in (("drill_watched", None), ("drill_deferred", 3.0)):
    with DAG(
        dag_id, schedule=None, start_date=START, max_active_runs=200, params={"folder": Param("", type="string")}
    ) as dag:
        SlurmArrayOperator(
            task_id="elements",
            op_kwargs={"folder": "{{ params.folder }}"},
            title="{{ params.folder.rpartition('/')[2] }}",
            defer_after_s=defer_after_s,
            max_parallel=16,
            **COMMON,
        )
    globals()[dag_id] = dag

with DAG(
    "drill_many",
    schedule=None,
    start_date=START,
    max_active_tasks=500,
    params={"folders": Param([], type="array", items={"type": "string"})},
) as many:

    @task
    def folders(params) -> list[dict]:
        """One array a folder."""
        return [{"folder": folder} for folder in params["folders"]]

    SlurmArrayOperator.partial(task_id="elements", title="many", defer_after_s=3.0, **COMMON).expand(
        op_kwargs=folders()
    )
