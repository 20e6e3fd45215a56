"""Stages run by Airflow itself, as the only task of a DAG."""

from __future__ import annotations

import datetime as dt
import json
import os
from types import SimpleNamespace

from airflow_slurm.private_cluster import PrivateCluster
from small_arrays import Stage
from ssh_server import Server


def write_down(dag) -> None:
    """Put a DAG into Airflow's database, as the DAG processor does with those it finds in files."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


def run_stage(name: str, stage: Stage, backend, **kwargs):
    """Run a stage; return the state of its last try and its result."""
    from airflow.sdk import DAG
    from airflow_slurm.operator import SlurmArrayOperator

    kwargs = {"outcomes": lambda title: stage.outcomes(), "array": lambda title: stage} | kwargs
    with DAG(name, schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        SlurmArrayOperator(
            task_id="calibrate",
            backend=backend,
            op_kwargs={"title": "{{ dag.dag_id }}"},
            title="{{ dag.dag_id }}",
            map_index_template="{{ task.title }}",
            **kwargs,
        )
    write_down(dag)
    dag_run = dag.test()
    task = dag_run.get_task_instance("calibrate")
    return task.state, task.xcom_pull(task_ids="calibrate") if task.state == "success" else None


def connection(cluster: PrivateCluster, state_folder, *, through: Server | None = None, **extra) -> str:
    """The connection to a cluster, as Airflow reads it from its environment; through an sshd if there is one."""
    values = {"slurm_conf": str(cluster.conf), "state_folder": str(state_folder), "poll_interval_s": "0.5", **extra}
    if through is None:
        return json.dumps({"conn_type": "slurm", "extra": json.dumps(values)})
    target = through.target()
    values = {"known_hosts": target.known_hosts, "private_key_file": target.private_key_file} | values
    where = {"host": target.host, "port": target.port, "login": target.login}
    return json.dumps({"conn_type": "slurm", **where, "extra": json.dumps(values)})


def queue(cluster: PrivateCluster, states: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
    """The names of the jobs in the queue, one a job."""
    return cluster.run("squeue", "--noheader", "--array", f"--states={states}", "--format=%j").split()


def submissions(cluster: PrivateCluster) -> list[str]:
    """The names of all arrays that were submitted lately, one a submission."""
    rows = cluster.run("squeue", "--noheader", "--array", "--states=all", "--format=%F %j").split("\n")
    return sorted(row.split()[1] for row in set(rows) if row)


def task_try(number: int, *, tries: int = 3, run_id: str = "run") -> SimpleNamespace:
    """What of a try of a task the operator looks at, for tests in which a try is a process of its own."""
    return SimpleNamespace(
        dag_id="dag",
        run_id=run_id,
        task_id="calibrate",
        map_index=-1,
        try_number=number,
        max_tries=tries - 1,
        get_task_states=lambda *args, **kwargs: {run_id: {"calibrate": "running"}},
    )
