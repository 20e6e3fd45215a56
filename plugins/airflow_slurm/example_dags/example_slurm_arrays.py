"""Eight squares as one array on SLURM; another run of the DAG does only what has not ended well.

It needs the connection ``slurm_default``, and a folder that Airflow and the nodes see under the same path:
``SLURM_ARRAYS_FOLDER`` in the environment, or ``/shared/squares``.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from airflow.sdk import DAG

from airflow_slurm.command_array import CommandArray
from airflow_slurm.operator import SlurmArrayOperator
from airflow_slurm.repair import RepairPolicy
from airflow_slurm.slurm import SlurmBackend

FOLDER = Path(os.environ.get("SLURM_ARRAYS_FOLDER", "/shared/squares"))

squares = CommandArray(
    "squares",
    ["sh", "-c", "echo $(($1 * $1))", "square"],
    range(8),
    FOLDER,
    memory_mb=100,
    time_s=60,  # an element
    per_job=4,
)

with DAG(
    "example_slurm_arrays",
    description="Eight squares as one array on SLURM",
    schedule=None,
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    tags=["example", "slurm"],
):
    SlurmArrayOperator(
        task_id="squares",
        array=lambda: squares,
        outcomes=squares.outcomes,
        backend=SlurmBackend.from_connection,
        repair=RepairPolicy(repairs=1),
    )
