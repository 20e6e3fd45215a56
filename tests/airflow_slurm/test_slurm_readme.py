"""What the provider's README shows is run as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import airflow_slurm
import pytest
from airflow_slurm.command_array import CommandArray
from dag_runs import connection, write_down
from slurm_backends import make_backend, shell_array, to_the_end
from small_arrays import jobs_of

README = Path(airflow_slurm.__file__).with_name("README.md").read_text()


@pytest.mark.usefixtures("airflow_database")
def test_the_example_runs(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SLURM_DEFAULT", connection(cluster, tmp_path / "state"))
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(example.strip().splitlines()) <= 11
    file = tmp_path / "squares_dag.py"
    file.write_text(example.replace("/shared/squares", str(tmp_path / "squares")))
    dag = runpy.run_path(str(file))["dag"]
    write_down(dag)
    task = dag.test().get_task_instance("run")
    assert task.state == "success"
    assert task.xcom_pull(task_ids="run")["counts"] == {"done": 8}
    for index in range(8):
        lines = (tmp_path / "squares" / f"squares_{index}.log").read_text().splitlines()
        assert lines[0].startswith("--- attempt 1, ")
        assert lines[-1] == str(index**2)
    # Again: nothing is left to do.
    task = dag.test().get_task_instance("run")
    assert task.xcom_pull(task_ids="run")["valid_before"] == 8


def test_the_connections_fields_are_described():
    (table,) = re.findall(r"\| field \|.*?\n\n", README, re.DOTALL)
    fields = airflow_slurm.get_provider_info()["connection-types"][0]["conn-fields"]
    assert set(re.findall(r"`(\w+)`", table)) >= set(fields)


def test_a_plain_array_does_what_did_not_end_well(cluster, tmp_path):
    program = ["sh", "-c", f'echo "run $2 $1"; [ -e {tmp_path}/ok ] || [ $2 != 3 ]', "sh", "an argument"]
    plain = CommandArray("plain", program, range(5), tmp_path / "plain", per_job=2)
    backend = make_backend(cluster, tmp_path)

    def run(array: CommandArray) -> list[int | None]:
        names = ("name", "command", "log_folder", "env")
        spec = shell_array(
            tmp_path, jobs=jobs_of(array.indices, array.per_job), **{name: getattr(array, name) for name in names}
        )
        return [job.exit_code for job in to_the_end(backend, backend.submit(spec)).values()]

    assert (plain.indices, plain.total) == (tuple(range(5)), 5)
    assert run(plain) == [0, 1, 0]
    assert [outcome.state for outcome in plain.outcomes().values()] == ["done", "done", "done", None, "done"]
    assert plain.indices == (3,)
    (tmp_path / "ok").touch()
    assert run(plain) == [0]
    assert plain.indices == ()
    assert "run 3 an argument\n" in (tmp_path / "plain" / "plain_3.log").read_text()
