"""The operator where the way to the cluster is the trouble: wrong machine, lost connection."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest
from airflow_slurm.slurm import SlurmBackend
from dag_runs import queue, run_stage, submissions
from small_arrays import Stage, wait_for
from ssh_server import CutAfterwards

pytestmark = pytest.mark.usefixtures("airflow_database")

NAME = "AIRFLOW_CONN_SLURM_DEFAULT"


def submitted(cluster, dag_id: str) -> list[str]:
    """The arrays that a task of this DAG has submitted."""
    return [name for name in submissions(cluster) if f"_{dag_id}-" in name]


def ran_once(stage: Stage) -> bool:
    """Whether each element had one attempt."""
    return all(stage.tries(index) == [1] for index in stage.plan)


def change_connection(monkeypatch, **extra) -> None:
    connection = json.loads(os.environ[NAME])
    connection["extra"] = json.dumps(json.loads(connection["extra"]) | extra)
    monkeypatch.setenv(NAME, json.dumps(connection))


@pytest.mark.parametrize("file", ["wrong_hosts", "other_key"])
def test_who_is_not_who_we_think_gets_nothing(cluster_through_ssh, server, tmp_path, monkeypatch, capfd, file):
    field = "known_hosts" if file == "wrong_hosts" else "private_key_file"
    change_connection(monkeypatch, **{field: str(server.folder / file)})
    stage = Stage(tmp_path / "a", {0: {}})
    assert run_stage(f"to_{file}", stage, SlurmBackend.from_connection)[0] == "failed"
    log = capfd.readouterr().out
    assert {"known_hosts": "is not the machine that we know", "private_key_file": "does not let us in"}[field] in log
    assert field.removesuffix("_file").replace("_key", " key") in log  # where to put it right
    assert not submitted(cluster_through_ssh, f"to_{file}")
    # The connection put right, the same DAG does its work.
    change_connection(monkeypatch, known_hosts=str(server.folder / "known_hosts"))
    change_connection(monkeypatch, private_key_file=str(server.folder / "user_key"))
    assert run_stage(f"to_{file}", stage, SlurmBackend.from_connection)[0] == "success"
    assert len(submitted(cluster_through_ssh, f"to_{file}")) == 1
    assert ran_once(stage)


@pytest.mark.parametrize("defer_after_s", [None, 0])
def test_the_connection_is_lost_while_the_array_runs(
    cluster_through_ssh, server, tmp_path, monkeypatch, capfd, caplog, defer_after_s
):
    monkeypatch.setattr("airflow_slurm.operator.FIRST_LOOK_S", 0.0)
    name = f"lost_{'watched' if defer_after_s is None else 'deferred'}"
    stage = Stage(tmp_path / "a", {index: {"sleep": 12} for index in range(4)})

    def lose() -> None:
        wait_for(lambda: len(queue(cluster_through_ssh, "RUNNING")) == 4, 60)
        server.stop()
        time.sleep(8)  # long enough to be noticed by whoever is slow to look
        server.start()

    loser = threading.Thread(target=lose)
    loser.start()
    state, result = run_stage(name, stage, SlurmBackend.from_connection, defer_after_s=defer_after_s)
    loser.join()
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 4}, 1)
    assert len(submitted(cluster_through_ssh, name)) == 1
    assert ran_once(stage)
    log = capfd.readouterr().out + caplog.text  # the trigger's words, and the task's own
    assert "the cluster does not answer: " in log
    assert "the cluster answers again" in log
    assert "Requesting new SSH session" not in log  # what asyncssh says of each command


def test_the_connection_is_lost_in_the_middle_of_a_submission(cluster_through_ssh, server, tmp_path):
    stage = Stage(tmp_path / "a", {0: {}, 1: {}})

    def backend() -> SlurmBackend:
        backend = SlurmBackend.from_connection()
        backend.client.transport = CutAfterwards(server, str(cluster_through_ssh.conf))
        return backend

    state, result = run_stage("cut", stage, backend)
    assert (state, result["counts"], result["attempts"]) == ("success", {"done": 2}, 1)
    assert len(submitted(cluster_through_ssh, "cut")) == 1
    assert ran_once(stage)
